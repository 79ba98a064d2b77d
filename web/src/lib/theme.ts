// Light, dark, or as the system says.
export type Theme = "auto" | "light" | "dark";

export const getTheme = (): Theme => {
  const kept = localStorage.getItem("inro-theme");
  return kept === "light" || kept === "dark" ? kept : "auto";
};

export function applyTheme(): void {
  const kept = getTheme();
  const dark = kept === "dark" || (kept === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset["theme"] = dark ? "dark" : "light";
}

export function setTheme(theme: Theme): void {
  if (theme === "auto") localStorage.removeItem("inro-theme");
  else localStorage.setItem("inro-theme", theme);
  applyTheme();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", applyTheme);
