#include "base/cert_time.h"

#include <openssl/x509_vfy.h>

bool cert_time_is_the_fault(long verdict)
{
    return verdict == X509_V_ERR_CERT_NOT_YET_VALID || verdict == X509_V_ERR_CERT_HAS_EXPIRED;
}
