/* The three clocks. Decisions use monotonic milliseconds (named _ms); wall time (named _unix,
 * seconds) is for protocols, the store and people. The decision modules take the time as an
 * argument. */
#ifndef DOORBELL_BASE_CLOCK_H
#define DOORBELL_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_ms(void);      /* CLOCK_MONOTONIC: stands still while the machine sleeps */
int64_t clock_boot_ms(void); /* CLOCK_BOOTTIME: goes on while the machine sleeps */
int64_t clock_wall_ms(void); /* CLOCK_REALTIME: may jump */
int64_t clock_unix(void);    /* the same in seconds */

#endif
