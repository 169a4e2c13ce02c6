/* Times for people: of this machine's time zone, with the date where it is not today's. */
#ifndef DOORBELL_CLI_WHEN_H
#define DOORBELL_CLI_WHEN_H

#include <stdint.h>

enum { WHEN_SIZE = 16 };

/* "09:12:03", or "Nov 27 09:12"; "-" for no time (0). At most 12 characters. */
const char *when_text(char text[WHEN_SIZE], int64_t unix_s, int64_t now_unix);

#endif
