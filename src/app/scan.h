/* `inro scan [FILE]`: what endpoints serve, without a server. */
#ifndef INRO_APP_SCAN_H
#define INRO_APP_SCAN_H

/*
 * Reads "host:port", "host" (443) or "host:port/starttls" per line from FILE or standard input;
 * writes one JSON line per address. Exit 0 when every line was readable and every look succeeded,
 * 5 when a look failed, 3 for a bad line, 2 for usage.
 */
int scan_main(int argc, char *const argv[]);

#endif
