/* The link that Molly scans (signal.md 7.3) and its QR code, as an inline SVG for the page and as
 * block characters for a terminal. Pure; every text that is returned belongs to the caller. */
#ifndef DOORBELL_WEB_QR_H
#define DOORBELL_WEB_QR_H

/* Light modules around the code. A page has room for the four that ISO/IEC 18004 asks for; a
 * terminal gets two in forced white, which zbar reads, so that the code fits a small window. */
enum { QR_QUIET_SVG = 4, QR_QUIET_TERMINAL = 2 };

/* mollysocket://link?vapid=KEY&url=URL&type=webserver, the URL form-encoded. `vapid` is the public
 * key as vapid_public_text has it. */
char *qr_link_webserver(const char *vapid, const char *url);
char *qr_link_airgapped(const char *vapid);

/* An <svg> element, black on white whatever the page's colours are. NULL when `text` is too long
 * for a QR code (2953 bytes). */
char *qr_svg(const char *text);

/* Lines of half blocks, two modules a character, black on white by ANSI colours whatever the
 * terminal's own are; each line ends with a reset. NULL as above. */
char *qr_terminal(const char *text);
/* How wide those are, and how many lines; 0 where it is too long. */
int qr_terminal_columns(const char *text);
int qr_terminal_lines(const char *text);

#endif
