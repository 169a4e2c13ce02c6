#include "alert/overheard.h"

#include <string.h>

#include "unit.h"

static bool is_overheard(const char *url, const char *token, char text[OVERHEARD_SIZE])
{
    struct config config = {.alert_url = (char *)(uintptr_t)url,
                            .alert_token = (char *)(uintptr_t)token};
    text[0] = '\0';
    return alert_is_overheard(&config, text);
}

START_TEST(what_opens_the_topic_is_told_of_where_it_goes_over_a_network_in_the_clear)
{
    char text[OVERHEARD_SIZE];
    ck_assert(is_overheard("http://ntfy.lan/secrettopic", "tk_one", text));
    ck_assert_str_eq(text, "alert.token goes to http://ntfy.lan as plain text, for whoever is on "
                           "the way to read and use");
    ck_assert(is_overheard("HTTP://192.168.1.5:8080/secrettopic", "tk_one", text));
    ck_assert(is_overheard("http://me:secret@ntfy.lan/secrettopic", NULL, text));
    ck_assert(strstr(text, "The password in alert.url goes to http://ntfy.lan "));
    ck_assert_ptr_null(strstr(text, "secret"));
}
END_TEST

START_TEST(what_is_encrypted_or_stays_on_this_machine_or_opens_nothing_is_no_trouble)
{
    char text[OVERHEARD_SIZE];
    ck_assert(!is_overheard(NULL, "tk_one", text));
    ck_assert(!is_overheard("https://ntfy.lan/topic", "tk_one", text));
    ck_assert(!is_overheard("http://ntfy.lan/topic", NULL, text));
    ck_assert(!is_overheard("http://ntfy.lan/topic", "", text));
    ck_assert(!is_overheard("http://localhost:8080/topic", "tk_one", text));
    ck_assert(!is_overheard("http://127.0.0.2/topic", "tk_one", text));
    ck_assert(!is_overheard("http://[::1]/topic", "tk_one", text));
}
END_TEST

UNIT_MAIN("overheard", what_opens_the_topic_is_told_of_where_it_goes_over_a_network_in_the_clear,
          what_is_encrypted_or_stays_on_this_machine_or_opens_nothing_is_no_trouble)
