/* How a request of curl's came to nothing, in our words. */
#ifndef DOORBELL_PUSH_CURL_END_H
#define DOORBELL_PUSH_CURL_END_H

#include <curl/curl.h>

#include "push/verdict.h"

/* `sent`: all of the request may have gone out. */
enum push_failure curl_end_failure(CURLcode result, bool sent);
/* Whether a certificate is not valid yet by our clock, or no more. */
bool curl_end_is_untimely(CURL *easy, CURLcode result);

#endif
