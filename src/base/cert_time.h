/* Whether what OpenSSL has against a certificate is about time: then the fault may be that of this
 * machine's clock, and a board without a clock of its own begins in 1970. Pure. */
#ifndef DOORBELL_BASE_CERT_TIME_H
#define DOORBELL_BASE_CERT_TIME_H

#include <stdbool.h>

/* `verdict`: SSL_get_verify_result, CURLINFO_SSL_VERIFYRESULT. */
bool cert_time_is_the_fault(long verdict);

#endif
