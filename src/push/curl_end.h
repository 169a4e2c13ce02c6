/* How a request of curl's came to nothing, in our words. */
#ifndef DOORBELL_PUSH_CURL_END_H
#define DOORBELL_PUSH_CURL_END_H

#include <curl/curl.h>

#include "push/verdict.h"

/* `sent`: all of the request may have gone out. */
enum push_failure curl_end_failure(CURL *easy, CURLcode result, bool sent);

#endif
