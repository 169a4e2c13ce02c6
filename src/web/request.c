#include "web/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

/* RFC 9112 section 3.2.2: a server must take the absolute form, too. Its host is not used. */
static const char *skip_authority(const char *target)
{
    const char *authority = strstr(target, "://");
    if (target[0] == '/' || !authority || authority > target + strcspn(target, "/?"))
        return target;
    authority += strlen("://");
    return authority + strcspn(authority, "/?");
}

void request_set_target(struct request *request, const char *target)
{
    request_fini(request);
    target = skip_authority(target);
    size_t length = strcspn(target, "?");
    request->path = length ? mem_copy(target, length) : mem_text("/");
    request->query = target[length] ? mem_text(target + length + 1) : NULL;
}

void request_fini(struct request *request)
{
    free(request->path);
    free(request->query);
    request->path = request->query = NULL;
}

const char *request_header(const struct request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (strcasecmp(request->headers[i].name, name) == 0)
            return request->headers[i].value;
    return NULL;
}

size_t request_count_header(const struct request *request, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < request->header_count; i++)
        count += strcasecmp(request->headers[i].name, name) == 0;
    return count;
}

bool request_has_parameter(const struct request *request, const char *name)
{
    const char *at = request->query;
    while (at && *at) {
        size_t length = strcspn(at, "=&");
        if (length == strlen(name) && strncmp(at, name, length) == 0)
            return true;
        at = strchr(at, '&');
        if (at)
            at++;
    }
    return false;
}

bool request_is_at(const struct request *request, const char *name)
{
    const char *path = request->path + strspn(request->path, "/");
    size_t length = strlen(name);
    return path > request->path && strncmp(path, name, length) == 0 &&
           !path[length + strspn(path + length, "/")];
}

bool request_is_get(const struct request *request)
{
    return strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
}

void response_set(struct response *response, int status, const char *type, char *body)
{
    response_fini(response);
    response->status = status;
    response->type = type;
    response->body = body;
    response->length = strlen(body);
}

void response_json(struct response *response, char *body)
{
    response_set(response, 200, "application/json", body);
}

void response_see_other(struct response *response, const char *location)
{
    response_set(response, 303, "text/plain; charset=utf-8", mem_text(""));
    response->location = mem_text(location);
}

void response_error(struct response *response, int status, const char *title, const char *text)
{
    char *body =
        mem_format("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">"
                   "<meta name=\"viewport\" content=\"width=device-width\">"
                   "<meta name=\"color-scheme\" content=\"light dark\">"
                   "<title>%s</title><body><main><h1>%s</h1><p>%s</p></main></body></html>\n",
                   title, title, text);
    response_set(response, status, "text/html; charset=utf-8", body);
}

void response_refuse(struct response *response, int status)
{
    switch (status) {
    case 413:
        response_error(response, status, "413 Content Too Large",
                       "The request is larger than 64 KiB.");
        break;
    case 431:
        response_error(response, status, "431 Request Header Fields Too Large",
                       "The request has too many headers, or too long ones.");
        break;
    default:
        response_error(response, 400, "400 Bad Request", "The request cannot be read.");
        break;
    }
}

void response_fini(struct response *response)
{
    free(response->body);
    free(response->policy);
    free(response->cookie);
    free(response->location);
    *response = (struct response){0};
}

static size_t add_optional(struct header *headers, size_t count, const char *name,
                           const char *value)
{
    if (!value)
        return count;
    headers[count] = (struct header){name, value};
    return count + 1;
}

/* A browser that may say nothing of where a form is calls its origin "null" as well (Fetch, "append
 * a request Origin header"): what has forms says it to itself, and nothing to others. */
size_t response_headers(const struct response *response,
                        struct header headers[RESPONSE_HEADERS_MAX],
                        char policy[RESPONSE_POLICY_SIZE])
{
    snprintf(policy, RESPONSE_POLICY_SIZE,
             "default-src 'none'; base-uri 'none'; form-action %s; frame-ancestors 'none'%s%s",
             response->has_forms ? "'self'" : "'none'", response->policy ? "; " : "",
             response->policy ? response->policy : "");
    /* X-Frame-Options is what MollySocket sends; browsers that know frame-ancestors follow that. */
    const struct header all[] = {
        {"Content-Type", response->type},
        {"Content-Security-Policy", policy},
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "SAMEORIGIN"},
        {"Permissions-Policy", "interest-cohort=()"},
        {"Referrer-Policy", response->has_forms ? "same-origin" : "no-referrer"},
        {"Cache-Control", "no-store"},
    };
    _Static_assert(sizeof all / sizeof *all + 4 <= RESPONSE_HEADERS_MAX, "no room for the headers");
    memcpy(headers, all, sizeof all);
    size_t count = add_optional(headers, sizeof all / sizeof *all, "Set-Cookie", response->cookie);
    count = add_optional(headers, count, "Location", response->location);
    count = add_optional(headers, count, "Allow", response->allow);
    return add_optional(headers, count, "Retry-After", response->retry_after);
}
