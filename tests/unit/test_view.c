/* How well an account is and what is to be done, by what there is to see of it. */
#include "bridge/view.h"

#include <string.h>

#include "unit.h"

static const struct account_view healthy = {
    .pseudonym = "0123456789",
    .device = 2,
    .link = {.state = ACCOUNT_UP, .known = true, .proven = true},
    .endpoint = {.origin = "https://ntfy.lan", .state = ENDPOINT_OK, .proven = true, .status = 200},
};

static void expect(struct account_view *view, enum view_health health, const char *part)
{
    view_judge(view);
    ck_assert_str_eq(view_health_name(view->health), view_health_name(health));
    if (!part) {
        ck_assert_ptr_null(view->advice);
        return;
    }
    ck_assert_ptr_nonnull(view->advice);
    ck_assert_msg(strstr(view->advice, part), "\"%s\" has no \"%s\"", view->advice, part);
    ck_assert_int_eq(view->advice[strlen(view->advice) - 1], '.');
}

static void expect_link(enum account_state state, enum link_reason reason, enum view_health health,
                        const char *part)
{
    struct account_view view = healthy;
    view.link.state = state;
    view.link.failed = true;
    view.link.reason = reason;
    expect(&view, health, part);
}

static void expect_answer(const struct push_answer *answer, enum endpoint_state state,
                          enum view_health health, const char *part)
{
    struct account_view view = healthy;
    struct verdict verdict;
    verdict_judge(&verdict, answer, 1700000000);
    view.endpoint.state = state;
    view.endpoint.kind = verdict.kind;
    view.endpoint.cause = verdict.cause;
    view.endpoint.status = verdict.status;
    expect(&view, health, part);
}

static void expect_status(int status, enum view_health health, const char *part)
{
    expect_answer(&(struct push_answer){.status = status}, ENDPOINT_FAILING, health, part);
}

START_TEST(where_nothing_is_wrong_nothing_is_said)
{
    struct account_view view = healthy;
    expect(&view, VIEW_WELL, NULL);
    view.link.state = ACCOUNT_CONNECTING; /* at the start */
    expect(&view, VIEW_WELL, NULL);
}
END_TEST

START_TEST(each_state_of_the_link_has_its_remedy)
{
    expect_link(ACCOUNT_REFUSED, LINK_UNAUTHORIZED, VIEW_BROKEN, "Linked devices");
    expect_link(ACCOUNT_CONTESTED, LINK_CONTESTED, VIEW_BROKEN, "stop the MollySocket");
    expect_link(ACCOUNT_DISABLED, LINK_STOPPED, VIEW_OFF, "accounts.allowed");
}
END_TEST

START_TEST(each_reason_for_which_a_link_is_down_has_its_remedy)
{
    expect_link(ACCOUNT_BACKING_OFF, LINK_UNREACHABLE, VIEW_TRYING, "DNS");
    expect_link(ACCOUNT_BACKING_OFF, LINK_SERVER_TROUBLE, VIEW_TRYING, "nothing needs to be done");
    expect_link(ACCOUNT_BACKING_OFF, LINK_RATE_LIMITED, VIEW_TRYING, "nothing needs to be done");
    expect_link(ACCOUNT_BACKING_OFF, LINK_UNAUTHORIZED, VIEW_TRYING, "once");
    expect_link(ACCOUNT_BACKING_OFF, LINK_REVOKED, VIEW_TRYING, "once");
    expect_link(ACCOUNT_BACKING_OFF, LINK_MIDDLEBOX, VIEW_BROKEN, "login page");
    expect_link(ACCOUNT_BACKING_OFF, LINK_CLIENT_REFUSED, VIEW_BROKEN, "signal.user_agent");
    expect_link(ACCOUNT_BACKING_OFF, LINK_SILENT, VIEW_BROKEN, "swallows the login");
    expect_link(ACCOUNT_CONNECTING, LINK_SILENT, VIEW_BROKEN, "swallows the login");
    expect_link(ACCOUNT_BACKING_OFF, LINK_PROTOCOL, VIEW_TRYING, "update Doorbell");
    expect_link(ACCOUNT_BACKING_OFF, LINK_MISCONFIGURED, VIEW_BROKEN, "signal.url");
    expect_link(ACCOUNT_BACKING_OFF, LINK_UNTIMELY, VIEW_BROKEN, "date and time");
    expect_link(ACCOUNT_BACKING_OFF, LINK_LOST, VIEW_TRYING, NULL); /* back in a moment */
    expect_link(ACCOUNT_BACKING_OFF, LINK_CLOSED, VIEW_TRYING, NULL);
    expect_link(ACCOUNT_CONNECTING, LINK_UNREACHABLE, VIEW_TRYING, "DNS"); /* and tries again */
    expect_link(ACCOUNT_UP, LINK_UNREACHABLE, VIEW_WELL, NULL);            /* long ago */
}
END_TEST

START_TEST(what_is_everybodys_fault_is_not_the_accounts)
{
    struct account_view view = healthy;
    view.link.state = ACCOUNT_BACKING_OFF;
    view.link.failed = true;
    view.link.alike = true;
    view.link.reason = LINK_UNAUTHORIZED;
    expect(&view, VIEW_BROKEN, "several accounts alike");
    ck_assert_str_eq(view.advice, view_alarm_advice(VIEW_ALARM_CREDENTIALS));
    view.link.reason = LINK_CLIENT_REFUSED;
    expect(&view, VIEW_BROKEN, "signal.user_agent");
    view.link.reason = LINK_UNTIMELY;
    expect(&view, VIEW_BROKEN, "date and time");
}
END_TEST

START_TEST(each_answer_of_a_push_server_has_its_remedy)
{
    static const char forbidden[] = "{\"code\":40301,\"http\":403,\"error\":\"forbidden\"}";
    expect_status(507, VIEW_TRYING, "phone is not connected to the push server: open its Unified");
    expect_status(401, VIEW_BROKEN, "VAPID token");
    expect_status(403, VIEW_BROKEN, "access rules");
    expect_status(429, VIEW_TRYING, "fewer pushes");
    expect_status(503, VIEW_TRYING, "check that it runs");
    expect_status(301, VIEW_BROKEN, "final address");
    expect_answer(
        &(struct push_answer){
            .status = 403, .body = forbidden, .body_length = sizeof forbidden - 1},
        ENDPOINT_FAILING, VIEW_BROKEN, "run: ntfy access '*' 'up*' write-only; or give us a token");
    expect_answer(&(struct push_answer){.failure = PUSH_NO_TLS}, ENDPOINT_FAILING, VIEW_TRYING,
                  "push.ca_file");
    expect_answer(&(struct push_answer){.failure = PUSH_NO_ADDRESS}, ENDPOINT_FAILING, VIEW_TRYING,
                  "DNS");
    expect_answer(&(struct push_answer){.failure = PUSH_NO_ANSWER}, ENDPOINT_FAILING, VIEW_TRYING,
                  "if that lasts");
    expect_answer(&(struct push_answer){.status = 404}, ENDPOINT_SUSPECT, VIEW_TRYING,
                  "does not know the endpoint");
}
END_TEST

START_TEST(an_endpoint_that_is_gone_needs_the_phone)
{
    struct account_view view = healthy;
    view.endpoint.state = ENDPOINT_GONE;
    view.endpoint.for_good = true;
    expect(&view, VIEW_BROKEN, "gone: open the distributor app");
    view.endpoint.for_good = false;
    expect(&view, VIEW_BROKEN, "has not known this endpoint for long");
}
END_TEST

START_TEST(what_the_settings_forbid_is_told_with_the_entry_that_allows_it)
{
    struct account_view view = healthy;
    view.endpoint.state = ENDPOINT_FAILING;
    view.endpoint.kind = VERDICT_DENIED;
    expect(&view, VIEW_BROKEN, "add \"https://ntfy.lan\" to push.allowed_endpoints; if not, check");
    view.endpoint.is_listed = true; /* so it is no private address */
    expect(&view, VIEW_BROKEN,
           "listed in push.allowed_endpoints: let the name through where names");
    view.endpoint.is_listed = false;
    view.endpoint.state = ENDPOINT_OK; /* a reload forbade it, and nothing was rung since */
    view.endpoint.kind = VERDICT_ACCEPTED;
    strcpy(view.endpoint.denied, "ntfy.lan is forbidden by the entry \"ntfy.lan\" of push.denied");
    expect(&view, VIEW_BROKEN, "the entry \"ntfy.lan\" of push.denied.");
}
END_TEST

START_TEST(what_is_not_known_any_more_gets_general_advice)
{
    struct account_view view = healthy;
    view.endpoint.state = ENDPOINT_FAILING;
    view.endpoint.status = 0;
    expect(&view, VIEW_TRYING, "they are tried again");
}
END_TEST

START_TEST(the_worse_half_is_told_first)
{
    struct account_view view = healthy;
    view.link.state = ACCOUNT_BACKING_OFF;
    view.link.failed = true;
    view.link.reason = LINK_UNREACHABLE;
    view.endpoint.state = ENDPOINT_GONE;
    expect(&view, VIEW_BROKEN, "endpoint");
    view.link.state = ACCOUNT_REFUSED;
    expect(&view, VIEW_BROKEN, "Linked devices");
    view.link.state = ACCOUNT_DISABLED; /* nobody rings it, whatever its endpoint says */
    expect(&view, VIEW_OFF, "accounts.allowed");
}
END_TEST

START_TEST(a_status_from_the_store_has_the_words_of_an_answer)
{
    struct verdict verdict;
    verdict_judge(&verdict, &(struct push_answer){.status = 507}, 1700000000);
    ck_assert_uint_eq(verdict_cause_of_status(507, false), verdict.cause);
    ck_assert_int_eq(verdict_kind_of_status(410), VERDICT_GONE);
    ck_assert_ptr_null(verdict_meaning(0));
    ck_assert_ptr_null(verdict_meaning(1000));
    ck_assert_uint_eq(verdict_cause_of_status(0, true), 0);
}
END_TEST

UNIT_MAIN("view", where_nothing_is_wrong_nothing_is_said, each_state_of_the_link_has_its_remedy,
          each_reason_for_which_a_link_is_down_has_its_remedy,
          what_is_everybodys_fault_is_not_the_accounts, each_answer_of_a_push_server_has_its_remedy,
          an_endpoint_that_is_gone_needs_the_phone,
          what_the_settings_forbid_is_told_with_the_entry_that_allows_it,
          what_is_not_known_any_more_gets_general_advice, the_worse_half_is_told_first,
          a_status_from_the_store_has_the_words_of_an_answer)
