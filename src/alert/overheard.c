#include "alert/overheard.h"

#include <stdio.h>
#include <string.h>

#include "base/url.h"

bool alert_is_overheard(const struct config *config, char text[OVERHEARD_SIZE])
{
    struct url url;
    char origin[URL_ORIGIN_SIZE];
    if (!config->alert_url || url_parse(&url, config->alert_url, NULL) != 0)
        return false;
    bool has_token = config->alert_token && *config->alert_token;
    bool overheard = (has_token || url.has_userinfo) && strcmp(url.scheme, "http") == 0 &&
                     !url_is_this_machine(&url);
    url_origin(&url, origin);
    url_fini(&url);
    if (overheard)
        snprintf(text, OVERHEARD_SIZE,
                 "%s goes to %s as plain text, for whoever is on the way to read and use",
                 has_token ? "alert.token" : "The password in alert.url", origin);
    return overheard;
}
