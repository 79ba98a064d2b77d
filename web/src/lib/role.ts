// What the person signed in may do. The server decides; this only hides what it would refuse.
let role = "viewer";
export const setRole = (r: string): void => void (role = r);
export const canOperate = (): boolean => role === "admin" || role === "operator";
export const isAdmin = (): boolean => role === "admin";
