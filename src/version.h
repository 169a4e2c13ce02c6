/* The one place of the version and its date; every source sees it (the Makefile includes it). */
#define DOORBELL_VERSION "0.1.0"
/* Of its release; before the first one, of the last great change of the manual, which shows it. */
#define DOORBELL_DATE "2026-11-30"
