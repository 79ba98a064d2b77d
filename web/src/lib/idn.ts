// A-labels as people write them (RFC 3492), only where the result is plainly Japanese: a mixture of
// scripts could look like another name and stays as it is.
const plain = /^[a-z0-9-]*[\u3041-\u309f\u30a1-\u30ff\u3005\u3007\u4e00-\u9fff][a-z0-9\-\u3041-\u309f\u30a1-\u30ff\u3005\u3007\u4e00-\u9fff]*$/;

function adapt(delta: number, points: number, first: boolean): number {
  let d = first ? Math.floor(delta / 700) : delta >> 1;
  d += Math.floor(d / points);
  let k = 0;
  for (; d > 455; k += 36) d = Math.floor(d / 35);
  return k + Math.floor((36 * d) / (d + 38));
}

function decode(s: string): string | null {
  const at = s.lastIndexOf("-");
  const out = at > 0 ? [...s.slice(0, at)].map((c) => c.charCodeAt(0)) : [];
  let n = 128,
    i = 0,
    bias = 72;
  for (let p = at > 0 ? at + 1 : 0; p < s.length; ) {
    const old = i;
    for (let w = 1, k = 36; ; k += 36) {
      const c = s.charCodeAt(p++);
      const digit = c >= 97 && c <= 122 ? c - 97 : c >= 48 && c <= 57 ? c - 22 : -1;
      if (digit < 0 || i > 1e7) return null;
      i += digit * w;
      const t = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
      if (digit < t) break;
      w *= 36 - t;
    }
    bias = adapt(i - old, out.length + 1, old === 0);
    n += Math.floor(i / (out.length + 1));
    i %= out.length + 1;
    if (n > 0xffff) return null;
    out.splice(i++, 0, n);
  }
  return String.fromCharCode(...out);
}

export function display(name: string): string {
  if (!name.includes("xn--")) return name;
  return name
    .split(".")
    .map((label) => {
      const u = label.startsWith("xn--") ? decode(label.slice(4)) : null;
      return u && plain.test(u) ? u : label;
    })
    .join(".");
}
