#include "push/curl_end.h"

#include "base/cert_time.h"

static bool is_untimely(CURL *easy)
{
    long verdict = 0;
    curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &verdict);
    return cert_time_is_the_fault(verdict);
}

enum push_failure curl_end_failure(CURL *easy, CURLcode result, bool sent)
{
    switch (result) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return PUSH_NO_ADDRESS;
    case CURLE_COULDNT_CONNECT:
        return PUSH_NO_CONNECT;
    case CURLE_OPERATION_TIMEDOUT:
        return sent ? PUSH_NO_ANSWER : PUSH_NO_CONNECT;
    case CURLE_PEER_FAILED_VERIFICATION:
        return is_untimely(easy) ? PUSH_UNTIMELY : PUSH_NO_TLS;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return PUSH_NO_TLS;
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
    case CURLE_URL_MALFORMAT:
    case CURLE_BAD_FUNCTION_ARGUMENT:
    case CURLE_SSL_ENGINE_INITFAILED:
        return PUSH_OURS;
    default:
        return PUSH_BROKEN;
    }
}
