/* The one place of the version; every source sees it (the Makefile includes it). */
#define DOORBELL_VERSION "0.1.0"
