/* From what was seen to what is said, and in which order. */
#include "doctor/diagnose.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bridge/arrivals.h"
#include "bridge/view.h"
#include "doctor/machine.h"
#include "doctor/report.h"
#include "unit.h"

static const uint8_t key[PSEUDONYM_KEY_SIZE] = {1};

static void expect_first(const struct findings *findings, enum severity severity, const char *what,
                         const char *fix)
{
    const struct finding *finding = &findings->items[0];
    ck_assert_str_eq(severity_name(finding->severity), severity_name(severity));
    ck_assert_msg(strstr(finding->what, what), "\"%s\" has no \"%s\"", finding->what, what);
    ck_assert_msg(strstr(finding->fix, fix ? fix : ""), "\"%s\" has no \"%s\"", finding->fix, fix);
    ck_assert(fix || !*finding->fix);
    ck_assert(findings->has_fault == (severity == SEVERITY_FAULT));
}

/* The one finding that there has to be; `fix` NULL: none. */
static void expect(const struct findings *findings, enum severity severity, const char *what,
                   const char *fix)
{
    ck_assert_uint_eq(findings->count, 1);
    expect_first(findings, severity, what, fix);
}

static const struct visit_facts upgraded = {.end = VISIT_ANSWERED, .status = 101, .stamped = true};
static const struct visit_facts gone = {.end = VISIT_NO_CONNECT, .why = "refused"};
static const struct visit_facts nowhere = {.end = VISIT_NO_ADDRESS};
static const struct visit_facts outdated = {.end = VISIT_ANSWERED, .status = 499};

START_TEST(each_way_to_signal_has_its_words)
{
    const struct visit_facts not_made = {.end = VISIT_NOT_MADE}, no_route = {.end = VISIT_NO_ROUTE},
                             only_v4 = {.end = VISIT_NO_ADDRESS, .has_v4 = true},
                             only_v6 = {.end = VISIT_NO_ADDRESS, .has_v6 = true},
                             no_v6 = {.end = VISIT_NO_ROUTE, .has_v6 = true},
                             silent = {.end = VISIT_NO_ANSWER},
                             intercepted = {.end = VISIT_NO_TLS, .why = "self-signed"},
                             untimely = {.end = VISIT_NO_TLS,
                                         .flaw = VISIT_FLAW_EXPIRED,
                                         .why = "not yet valid"},
                             portal = {.end = VISIT_ANSWERED, .status = 302},
                             busy = {.end = VISIT_ANSWERED, .status = 503, .stamped = true},
                             front = {.end = VISIT_ANSWERED, .status = 502},
                             wrong = {.end = VISIT_ANSWERED, .status = 404, .stamped = true};
    const struct {
        struct visit_facts v4, v6, fallback;
        enum severity severity;
        const char *what, *fix;
    } cases[] = {
        {upgraded, upgraded, upgraded, SEVERITY_WELL, "over IPv4 and IPv6", NULL},
        {upgraded, not_made, upgraded, SEVERITY_WELL, "answers over IPv4, and takes", NULL},
        {upgraded, nowhere, upgraded, SEVERITY_WELL, "answers over IPv4,", NULL},
        {no_route, upgraded, upgraded, SEVERITY_WELL, "answers over IPv6,", NULL},
        {upgraded, gone, upgraded, SEVERITY_WARNING, "but over IPv6 it cannot be reached (refused)",
         "net.family to ipv4"},
        {upgraded, portal, upgraded, SEVERITY_WARNING, "but over IPv6 it answers with 302",
         "net.family to ipv4"},
        {portal, upgraded, upgraded, SEVERITY_WARNING, "but over IPv4 it answers with 302",
         "net.family to ipv6"},
        {gone, nowhere, gone, SEVERITY_FAULT, "cannot be reached (refused)", "firewall"},
        {nowhere, nowhere, nowhere, SEVERITY_FAULT, "has no address", "DNS"},
        {not_made, only_v4, only_v4, SEVERITY_FAULT,
         "has only IPv4 addresses, and net.family is ipv6", "net.family to auto"},
        {only_v6, not_made, only_v6, SEVERITY_FAULT,
         "has only IPv6 addresses, and net.family is ipv4", "net.family to auto"},
        {only_v6, no_v6, no_v6, SEVERITY_FAULT,
         "has only IPv6 addresses, and this machine has no IPv6", "Give this machine IPv6."},
        {no_route, silent, silent, SEVERITY_FAULT, "gives no answer", "firewall"},
        {nowhere, intercepted, intercepted, SEVERITY_FAULT, "trusted (self-signed)", "intercepts"},
        {nowhere, untimely, untimely, SEVERITY_FAULT, "trusted (not yet valid)", "date and time"},
        {outdated, outdated, upgraded, SEVERITY_WARNING, "\"New/2\" is taken instead", "Update"},
        {outdated, outdated, outdated, SEVERITY_FAULT, "both User-Agents, \"Old/1\" and \"New/2\"",
         "signal.user_agent"},
        {portal, portal, portal, SEVERITY_FAULT, "in the place of", "directly"},
        {busy, busy, busy, SEVERITY_WARNING, "trouble of its own (503)", "Nothing needs"},
        {front, front, front, SEVERITY_WARNING, "trouble of its own (502)", "Nothing needs"},
        {wrong, wrong, wrong, SEVERITY_FAULT, "no websocket", "signal.url"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct findings findings = {0};
        const struct signal_facts facts = {.roads[ROAD_HTTP1] = {.origin = "wss://chat.example.org",
                                                                 .v4 = cases[i].v4,
                                                                 .v6 = cases[i].v6,
                                                                 .fallback = cases[i].fallback},
                                           .agent = "Old/1",
                                           .fallback_agent = "New/2"};
        diagnose_signal(&findings, &facts, "");
        expect(&findings, cases[i].severity, cases[i].what, cases[i].fix);
    }
}
END_TEST

/* Both roads, each of which ended alike over both families. `http1` NULL: it is not open. */
static struct signal_facts roads_that(const struct visit_facts *http2,
                                      const struct visit_facts *http1)
{
    struct signal_facts facts = {.agent = "Old/1", .fallback_agent = "New/2"};
    facts.roads[ROAD_HTTP2] =
        (struct road_facts){.origin = "https://grpc", .v4 = *http2, .v6 = *http2};
    facts.roads[ROAD_HTTP2].fallback = *http2;
    if (http1)
        facts.roads[ROAD_HTTP1] = (struct road_facts){
            .origin = "wss://chat", .v4 = *http1, .v6 = *http1, .fallback = *http1};
    return facts;
}

static const struct visit_facts roadless = {.end = VISIT_NO_ROAD, .why = "it speaks none"};
static const struct visit_facts away = {.end = VISIT_ANSWERED, .status = 502};
static const struct visit_facts kept_busy = {
    .end = VISIT_ANSWERED, .status = 503, .stamped = true, .is_kept = true};
static const struct visit_facts kept_outdated = {
    .end = VISIT_ANSWERED, .status = 499, .is_kept = true};
static const struct visit_facts kept_untimely = {
    .end = VISIT_NO_TLS, .flaw = VISIT_FLAW_EXPIRED, .why = "expired", .is_kept = true};

START_TEST(signal_over_http2_alone_has_the_words_of_its_own_address)
{
    const struct {
        const struct visit_facts *visit;
        enum severity severity;
        const char *what, *fix;
    } cases[] = {
        {&upgraded, SEVERITY_WELL,
         "https://grpc answers HTTP/2 over IPv4 and IPv6, and takes our client.", NULL},
        {&roadless, SEVERITY_FAULT,
         "https://grpc cannot be used over HTTP/2 (it speaks none); account 1 is not connected.",
         "Check signal.http2_url, or set signal.transport to auto."},
        {&gone, SEVERITY_FAULT, "https://grpc cannot be reached (refused)", "firewall"},
        {&kept_untimely, SEVERITY_FAULT, "trusted (expired)", "date and time"},
        {&kept_outdated, SEVERITY_FAULT, "https://grpc refuses both User-Agents",
         "signal.user_agent"},
        {&away, SEVERITY_WARNING, "trouble of its own (502)", "Nothing needs"},
        {&(struct visit_facts){.end = VISIT_ANSWERED, .status = 302, .is_kept = true},
         SEVERITY_FAULT, "login page answers in the place of https://grpc (302)", "directly"},
        {&(struct visit_facts){.end = VISIT_ANSWERED, .status = 404, .stamped = true},
         SEVERITY_FAULT, "no websocket there (404)", "Check signal.http2_url, or leave"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct findings findings = {0};
        const struct signal_facts facts = roads_that(cases[i].visit, NULL);
        diagnose_signal(&findings, &facts, "; account 1 is not connected");
        expect(&findings, cases[i].severity, cases[i].what, cases[i].fix);
    }
}
END_TEST

START_TEST(of_two_roads_one_that_fails_is_a_warning_and_what_keeps_from_both_is_told_once)
{
    static const char concerned[] = "; account 1 is not connected";
    const struct {
        const struct visit_facts *http2, *http1;
        enum severity severity;
        const char *what, *fix; /* of the first finding */
        const char *second;     /* NULL: there is none; it is not worse than a warning */
    } cases[] = {
        {&upgraded, &upgraded, SEVERITY_WELL, "https://grpc answers HTTP/2", NULL,
         "wss://chat answers over IPv4 and IPv6"},
        {&roadless, &upgraded, SEVERITY_WARNING,
         "https://grpc cannot be used over HTTP/2 (it speaks none); HTTP/1.1 carries the links "
         "meanwhile.",
         "HTTP/2 is tried again by itself", "wss://chat answers over IPv4 and IPv6"},
        {&away, &upgraded, SEVERITY_WARNING, "https://grpc answers with 502; HTTP/1.1 carries",
         "signal.transport: http1", "wss://chat answers"},
        {&upgraded, &gone, SEVERITY_WELL, "https://grpc answers HTTP/2", NULL,
         "wss://chat cannot be reached (refused); HTTP/1.1 could not carry the links where HTTP/2 "
         "fails."},
        {&upgraded, &away, SEVERITY_WELL, "https://grpc answers HTTP/2", NULL,
         "wss://chat has trouble of its own (502)."},
        {&gone, &gone, SEVERITY_FAULT,
         "wss://chat cannot be reached (refused); and https://grpc cannot be reached (refused); "
         "account 1 is not connected.",
         "firewall", NULL},
        {&roadless, &nowhere, SEVERITY_FAULT,
         "wss://chat has no address; and https://grpc cannot be used over HTTP/2 (it speaks none)",
         "DNS", NULL},
        /* For these links stay with HTTP/2, whatever HTTP/1.1 has to offer. */
        {&kept_outdated, &outdated, SEVERITY_FAULT,
         "https://grpc refuses both User-Agents, \"Old/1\" and \"New/2\", as too old (499); "
         "account 1",
         "Update Doorbell", NULL},
        {&kept_outdated, &upgraded, SEVERITY_FAULT, "https://grpc refuses both User-Agents",
         "Update Doorbell", "wss://chat answers"},
        {&kept_untimely, &upgraded, SEVERITY_FAULT,
         "https://grpc has no certificate that is trusted", "date and time", "wss://chat answers"},
        {&kept_untimely, &kept_untimely, SEVERITY_FAULT,
         "https://grpc has no certificate that is trusted", "date and time", NULL},
        {&kept_busy, &kept_busy, SEVERITY_WARNING, "https://grpc has trouble of its own (503)",
         "Nothing needs", NULL},
        {&kept_busy, &gone, SEVERITY_WARNING, "https://grpc has trouble of its own (503)",
         "Nothing needs", "wss://chat cannot be reached (refused); HTTP/1.1 could not"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct findings findings = {0};
        const struct signal_facts facts = roads_that(cases[i].http2, cases[i].http1);
        diagnose_signal(&findings, &facts, concerned);
        expect_first(&findings, cases[i].severity, cases[i].what, cases[i].fix);
        ck_assert_uint_eq(findings.count, cases[i].second ? 2 : 1);
        if (!cases[i].second)
            continue;
        ck_assert_ptr_nonnull(strstr(findings.items[1].what, cases[i].second));
        ck_assert_ptr_null(strstr(findings.items[1].what, concerned));
    }
}
END_TEST

START_TEST(a_family_that_fails_on_both_roads_is_told_once)
{
    struct findings findings = {0};
    struct signal_facts facts = roads_that(&upgraded, &upgraded);
    facts.roads[ROAD_HTTP2].v6 = facts.roads[ROAD_HTTP1].v6 = gone;
    diagnose_signal(&findings, &facts, "");
    expect(&findings, SEVERITY_WARNING,
           "https://grpc answers HTTP/2 over IPv4, but over IPv6 it cannot be reached (refused).",
           "net.family to ipv4");
}
END_TEST

START_TEST(a_client_whose_other_user_agent_is_taken_is_told_once)
{
    struct findings findings = {0};
    struct signal_facts facts = roads_that(&kept_outdated, &outdated);
    facts.roads[ROAD_HTTP2].fallback = facts.roads[ROAD_HTTP1].fallback = upgraded;
    diagnose_signal(&findings, &facts, "");
    expect(&findings, SEVERITY_WARNING, "\"New/2\" is taken instead", "Update Doorbell.");
}
END_TEST

static struct findings told_by_server(const struct visit_facts *http2,
                                      const struct visit_facts *http1)
{
    struct findings findings = {0};
    struct probe_facts *facts = mem_new(sizeof *facts);
    json_t *status = json_pack("{s:{s:s, s:s}}", "road", "name", "HTTP/1.1", "why", "it is away");
    facts->signal = roads_that(http2, http1);
    facts->signal.has_left = true;
    diagnose_road(&findings, status, facts);
    diagnose_signal(&findings, &facts->signal, "");
    json_decref(status);
    free(facts);
    return findings;
}

START_TEST(that_the_running_server_has_left_http2_is_told_once)
{
    struct findings findings = told_by_server(&roadless, &upgraded);
    expect_first(&findings, SEVERITY_WARNING,
                 "It is reached over HTTP/1.1, because over HTTP/2: it is away.", "by itself");
    ck_assert_uint_eq(findings.count, 2);
    ck_assert_ptr_nonnull(strstr(findings.items[1].what, "wss://chat answers over IPv4 and"));
    findings = told_by_server(&roadless, &gone);
    expect(&findings, SEVERITY_FAULT, "wss://chat cannot be reached", "firewall");
}
END_TEST

START_TEST(by_what_signals_certificate_was_verified_is_said)
{
    static const struct visit_facts not_made = {.end = VISIT_NOT_MADE};
    const struct {
        struct visit_facts v4, v6;
        bool own_roots;
        const char *what;
    } cases[] = {
        {upgraded, upgraded, true,
         "Over IPv4 and IPv6 its certificate leads to a root of signal.ca_file."},
        {upgraded, not_made, false,
         "Over IPv4 its certificate leads to Signal's own root, which is built in; IPv6 was not "
         "tried, because of net.family."},
        {not_made, outdated, false, "built in; IPv4 was not tried, because of net.family."},
        {gone, upgraded, false,
         "Over IPv6 its certificate leads to Signal's own root, which is "
         "built in."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct findings findings = {0};
        const struct signal_facts facts = {.roads[ROAD_HTTP1] = {.origin = "wss://chat.example.org",
                                                                 .v4 = cases[i].v4,
                                                                 .v6 = cases[i].v6},
                                           .own_roots = cases[i].own_roots};
        diagnose_roots(&findings, &facts);
        expect(&findings, SEVERITY_WELL, cases[i].what, NULL);
    }
    struct findings findings = {0};
    diagnose_roots(&findings,
                   &(struct signal_facts){
                       .roads[ROAD_HTTP1] = {.origin = "wss://chat", .v4 = gone, .v6 = nowhere}});
    diagnose_roots(&findings, &(struct signal_facts){
                                  .roads[ROAD_HTTP1] = {.origin = "ws://chat", .v4 = upgraded}});
    ck_assert_uint_eq(findings.count, 0);
    diagnose_roots(&findings,
                   &(struct signal_facts){
                       .roads = {[ROAD_HTTP1] = {.origin = "wss://chat", .v4 = gone, .v6 = gone},
                                 [ROAD_HTTP2] = {.origin = "https://grpc", .v4 = upgraded}}});
    expect(&findings, SEVERITY_WELL,
           "Over IPv4 the certificate of https://grpc leads to Signal's own root", NULL);
}
END_TEST

START_TEST(each_end_of_a_visit_to_a_push_server_has_the_words_of_a_push_that_ends_so)
{
    const struct {
        struct visit_facts visit;
        enum severity severity;
        const char *what, *fix;
    } cases[] = {
        {{.end = VISIT_ANSWERED, .status = 200}, SEVERITY_WELL, "answers.", NULL},
        {{.end = VISIT_ANSWERED, .status = 404}, SEVERITY_WELL, "answers.", NULL},
        {{.end = VISIT_ANSWERED, .status = 502}, SEVERITY_FAULT, "the proxy before it", "it runs"},
        {{.end = VISIT_NO_ADDRESS}, SEVERITY_FAULT, "name has no address", "DNS"},
        {{.end = VISIT_NO_CONNECT}, SEVERITY_FAULT, "cannot be reached", "firewall"},
        {{.end = VISIT_NO_ROUTE, .has_v4 = true, .has_v6 = true},
         SEVERITY_FAULT,
         "cannot be reached",
         "firewall"},
        {{.end = VISIT_NO_ROUTE, .has_v6 = true},
         SEVERITY_FAULT,
         "has only IPv6 addresses, and this machine has no IPv6 that leads there.",
         "Give this machine IPv6, or say in push.connect_to"},
        {{.end = VISIT_NO_ROUTE, .has_v4 = true},
         SEVERITY_FAULT,
         "has only IPv4 addresses, and this machine has no IPv4 that leads there.",
         "Give this machine IPv4, or say in push.connect_to"},
        {{.end = VISIT_NO_ADDRESS, .has_v6 = true},
         SEVERITY_FAULT,
         "has only IPv6 addresses, and net.family is ipv4.",
         "Set net.family to auto."},
        {{.end = VISIT_NO_ADDRESS, .has_v4 = true},
         SEVERITY_FAULT,
         "has only IPv4 addresses, and net.family is ipv6.",
         "Set net.family to auto."},
        {{.end = VISIT_NO_TLS, .why = "expired"}, SEVERITY_FAULT, "(expired)", "push.ca_file"},
        {{.end = VISIT_NO_TLS, .flaw = VISIT_FLAW_EXPIRED}, SEVERITY_FAULT, "valid", "date and"},
        {{.end = VISIT_NO_ANSWER, .why = "closed"}, SEVERITY_FAULT, "no answer (closed)", "runs"},
        {{.end = VISIT_DENIED,
          .why =
              "ntfy.lan has the private address 10.0.0.1; to allow it add \"https://ntfy.lan\" to "
              "push.allowed_endpoints"},
         SEVERITY_FAULT,
         "https://ntfy.lan: ntfy.lan has the private address 10.0.0.1.",
         "add \"https://ntfy.lan\" to push.allowed_endpoints, or run \"doorbell setup --allow "
         "https://ntfy.lan\"; if not, check this machine's DNS"},
        {{.end = VISIT_DENIED, .why = "ntfy.lan is at 10.0.0.1, which is forbidden"},
         SEVERITY_FAULT,
         "forbidden.",
         "DNS"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct findings findings = {0};
        const struct origin_facts facts = {.origin = "https://ntfy.lan", .visit = cases[i].visit};
        diagnose_origin(&findings, &facts, "");
        expect(&findings, cases[i].severity, cases[i].what, cases[i].fix);
        ck_assert_ptr_nonnull(strstr(findings.items[0].what, "https://ntfy.lan"));
    }
}
END_TEST

START_TEST(what_is_to_be_done_about_a_push_server_goes_by_the_settings_in_force)
{
    static const struct {
        struct origin_facts facts;
        const char *what, *fix, *not_said;
    } cases[] = {
        {{.visit = {.end = VISIT_NO_ADDRESS}},
         "https://ntfy.lan: The",
         "the name and this machine's DNS. If it is your own",
         "net.nameservers"},
        {{.visit = {.end = VISIT_NO_ADDRESS}, .own_nameservers = true},
         "https://ntfy.lan: The",
         "the name and the nameservers in net.nameservers.",
         "this machine's DNS"},
        {{.visit = {.end = VISIT_NO_ADDRESS, .place = "ntfy:80"}},
         "https://ntfy.lan (at ntfy:80 by push.connect_to): The",
         "Correct that place in push.connect_to, or check this machine's DNS.",
         "say in push.connect_to"},
        {{.visit = {.end = VISIT_NO_CONNECT}},
         "cannot be reached",
         "say in push.connect_to",
         "there"},
        {{.visit = {.end = VISIT_NO_CONNECT, .place = "ntfy:80"}},
         "(at ntfy:80 by push.connect_to): The push server cannot be reached",
         "or correct that place in push.connect_to.",
         "say in push.connect_to"},
        {{.visit = {.end = VISIT_NO_TLS, .flaw = VISIT_FLAW_NAME}},
         "No trusted TLS",
         "a certificate for this name",
         "push.ca_file"},
        {{.visit = {.end = VISIT_NO_TLS, .flaw = VISIT_FLAW_NAME, .place = "ntfy:443"}},
         "No trusted TLS",
         "for the push server's own name, or correct that place",
         "push.ca_file"},
        {{.visit = {.end = VISIT_NO_TLS, .flaw = VISIT_FLAW_ISSUER}},
         "No trusted TLS",
         "(fullchain.pem); a CA of your own goes into push.ca_file.",
         "another one"},
        {{.visit = {.end = VISIT_NO_TLS, .flaw = VISIT_FLAW_ISSUER}, .own_roots = true},
         "No trusted TLS",
         "push.ca_file has another one",
         "goes into push.ca_file"},
        {{.visit = {.end = VISIT_NO_TLS, .flaw = VISIT_FLAW_NO_TLS}},
         "No trusted TLS",
         "speaks no TLS on this port",
         "push.ca_file"},
        {{.visit = {.end = VISIT_NO_TLS, .flaw = VISIT_FLAW_NO_TLS, .place = "ntfy:80"}},
         "No trusted TLS",
         "correct the port in push.connect_to.",
         "push.ca_file"},
        {{.visit = {.end = VISIT_DENIED,
                    .why = "ntfy.lan is at 0.0.0.0, as what blocks names answers (Pi-hole, AdGuard "
                           "Home or the like); no setting allows it"}},
         "(Pi-hole, AdGuard Home or the like); no setting allows it",
         "Let this name through where names are blocked",
         "push."},
        {{.visit = {.end = VISIT_DENIED,
                    .why = "ntfy.lan is at 10.0.0.1, which is forbidden by the entry "
                           "\"10.0.0.0/8\" of push.denied"}},
         "of push.denied.",
         "take that entry out of push.denied",
         "push.allowed_endpoints"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct findings findings = {0};
        struct origin_facts facts = cases[i].facts;
        strcpy(facts.origin, "https://ntfy.lan");
        diagnose_origin(&findings, &facts, "");
        expect(&findings, SEVERITY_FAULT, cases[i].what, cases[i].fix);
        ck_assert_ptr_null(strstr(findings.items[0].fix, cases[i].not_said));
    }
    struct findings findings = {0};
    diagnose_signal(
        &findings,
        &(struct signal_facts){
            .roads[ROAD_HTTP1] = {.origin = "wss://chat.example.org", .v4 = nowhere, .v6 = nowhere},
            .own_nameservers = true},
        "");
    expect(&findings, SEVERITY_FAULT, "has no address",
           "Check that the nameservers in net.nameservers answer");
}
END_TEST

START_TEST(each_end_of_a_visit_to_the_public_address_has_its_words)
{
    const struct {
        struct visit_facts visit;
        enum severity severity;
        const char *what, *fix;
    } cases[] = {
        {{.end = VISIT_ANSWERED, .status = 200, .has_needle = true}, SEVERITY_WELL, "leads", NULL},
        {{.end = VISIT_ANSWERED, .status = 200}, SEVERITY_FAULT, "not this Doorbell", "[::]:8020"},
        {{.end = VISIT_ANSWERED, .status = 502}, SEVERITY_FAULT, "does not reach", "[::]:8020"},
        {{.end = VISIT_ANSWERED, .status = 404}, SEVERITY_FAULT, "under the path", "same path"},
        {{.end = VISIT_ANSWERED, .status = 308}, SEVERITY_FAULT, "to another path", "public_url"},
        {{.end = VISIT_ANSWERED, .status = 403, .challenged = true},
         SEVERITY_FAULT,
         "Cloudflare",
         "Switch that off"},
        {{.end = VISIT_ANSWERED, .status = 302, .moved_to = "https://auth.example.org"},
         SEVERITY_FAULT,
         "redirects to https://auth.example.org (302)",
         "take this address out of the login"},
        {{.end = VISIT_ANSWERED, .status = 302, .moved_to = "https://push.example.org"},
         SEVERITY_FAULT,
         "redirects to another path (302)",
         "public_url"},
        {{.end = VISIT_ANSWERED, .status = 401}, SEVERITY_FAULT, "A login", "Let this path pass"},
        {{.end = VISIT_ANSWERED, .status = 403}, SEVERITY_FAULT, "(403)", "Let this path pass"},
        {{.end = VISIT_NO_TLS, .why = "x"}, SEVERITY_FAULT, "(x)", "the proxy's log"},
        {{.end = VISIT_NO_TLS, .flaw = VISIT_FLAW_EXPIRED, .why = "expired"},
         SEVERITY_FAULT,
         "(expired)",
         "Renew the certificate"},
        {{.end = VISIT_NO_TLS, .flaw = VISIT_FLAW_NAME}, SEVERITY_FAULT, "trusted", "the host of"},
        {{.end = VISIT_NO_TLS, .flaw = VISIT_FLAW_ISSUER}, SEVERITY_FAULT, "trusted", "fullchain"},
        {{.end = VISIT_NO_TLS, .flaw = VISIT_FLAW_NO_TLS, .why = "wrong version number"},
         SEVERITY_FAULT,
         "https://push.example.org speaks no TLS there (wrong version number).",
         "correct the port in web.public_url"},
        {{.end = VISIT_NO_ADDRESS}, SEVERITY_FAULT, "has no address", "DNS"},
        {{.end = VISIT_NO_CONNECT}, SEVERITY_WARNING, "From this machine", "mobile network"},
        {{.end = VISIT_NO_ROUTE, .has_v6 = true},
         SEVERITY_UNCHECKED,
         "could not be looked at: it has only IPv6",
         "Give this machine IPv6."},
        {{.end = VISIT_NOT_MADE}, SEVERITY_UNCHECKED, "the VAPID key", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct findings findings = {0};
        const struct public_facts facts = {.origin = "https://push.example.org",
                                           .secure = true,
                                           .listen = "[::]:8020",
                                           .visit = cases[i].visit};
        diagnose_public(&findings, &facts);
        expect(&findings, cases[i].severity, cases[i].what, cases[i].fix);
    }
}
END_TEST

START_TEST(a_family_that_leads_nowhere_is_a_warning_where_the_other_one_does)
{
    static const struct visit_facts good = {.end = VISIT_ANSWERED,
                                            .status = 200,
                                            .has_needle = true},
                                    other = {.end = VISIT_ANSWERED, .status = 403},
                                    no_route = {.end = VISIT_NO_ROUTE}, not_made = {0};
    const struct {
        struct visit_facts v4, v6;
        const char *of_push, *of_public; /* NULL: nothing to warn of */
    } cases[] = {
        {good, good, NULL, NULL},
        {good, nowhere, NULL, NULL},
        {good, no_route, NULL, NULL},
        {not_made, good, NULL, NULL},
        {good, gone, "https://a.example answers, but over IPv6 it cannot be reached (refused).",
         "https://a.example over IPv6 cannot be reached (refused), which may keep"},
        {gone, good, "but over IPv4 it cannot be reached", "over IPv4 cannot be reached"},
        {good, other, NULL, "over IPv6 leads to something else (403), which may keep phones out"},
        {other, good, NULL, "over IPv4 leads to something else (403), which may keep phones out"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct findings push = {0}, public = {0};
        const struct origin_facts origin = {
            .origin = "https://a.example", .visit = good, .v4 = cases[i].v4, .v6 = cases[i].v6};
        const struct public_facts address = {.origin = "https://a.example",
                                             .secure = true,
                                             .visit = good,
                                             .v4 = cases[i].v4,
                                             .v6 = cases[i].v6};
        diagnose_origin(&push, &origin, "");
        diagnose_public(&public, &address);
        ck_assert_uint_eq(push.count, cases[i].of_push ? 2 : 1);
        ck_assert_uint_eq(public.count, cases[i].of_public ? 2 : 1);
        ck_assert(!push.has_fault && !public.has_fault);
        if (cases[i].of_push)
            ck_assert_ptr_nonnull(strstr(push.items[1].what, cases[i].of_push));
        if (cases[i].of_public)
            ck_assert_ptr_nonnull(strstr(public.items[1].what, cases[i].of_public));
    }
}
END_TEST

START_TEST(a_push_server_at_the_public_address_is_told_as_that_whatever_its_front_page_is)
{
    static const int statuses[] = {200, 404, 502};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        struct findings findings = {0};
        const struct public_facts facts = {
            .origin = "https://ntfy.example.org",
            .secure = true,
            .listen = "[::]:8020",
            .visit = {.end = VISIT_ANSWERED, .status = statuses[i]},
            .mark = {.end = VISIT_ANSWERED, .status = 200, .has_needle = true}};
        diagnose_public(&findings, &facts);
        expect(&findings, SEVERITY_FAULT, "https://ntfy.example.org is a push server (ntfy)",
               "this bridge's own address");
    }
}
END_TEST

START_TEST(a_proxy_is_not_blamed_for_a_server_that_does_not_run)
{
    static const struct visit_facts visits[] = {{.end = VISIT_ANSWERED, .status = 502},
                                                {.end = VISIT_ANSWERED, .status = 404},
                                                {.end = VISIT_NO_CONNECT}};
    for (size_t i = 0; i < sizeof visits / sizeof *visits; i++) {
        struct findings findings = {0};
        const struct public_facts facts = {
            .origin = "https://push.example.org", .stopped = true, .visit = visits[i]};
        diagnose_public(&findings, &facts);
        expect(&findings, SEVERITY_UNCHECKED, "no server runs.", "Run this again when it runs.");
    }
}
END_TEST

START_TEST(an_address_that_is_not_set_is_missed_only_where_phones_may_come_by_themselves)
{
    struct findings findings = {0};
    diagnose_public(&findings, &(struct public_facts){.linking = LINKING_BY_HAND});
    ck_assert_uint_eq(findings.count, 0);
    diagnose_public(&findings, &(struct public_facts){.linking = LINKING_UNKNOWN});
    expect(&findings, SEVERITY_UNCHECKED, "web.public_url is not set", "air-gapped nothing");
}
END_TEST

/* Through nginx, with all that it should say. */
static const struct public_facts good_front = {
    .origin = "https://push.example.org",
    .secure = true,
    .listen = "[::]:8020",
    .visit = {.end = VISIT_ANSWERED, .status = 200, .has_needle = true, .server = "nginx/1.22.1"},
    .asked = true,
    .seen = true,
    .sighting = {.at_root = true,
                 .is_forwarded = true,
                 .is_trusted = true,
                 .names_client = true,
                 .host = "push.example.org",
                 .scheme = "https",
                 .peer = "127.0.0.1"}};

/* One sentence with one fix besides, or in the place of, that it leads here. */
static void expect_front(const struct public_facts *facts, enum severity severity, const char *what,
                         const char *fix)
{
    struct findings findings = {0};
    diagnose_public(&findings, facts);
    findings_sort(&findings);
    ck_assert_uint_eq(findings.count, severity == SEVERITY_FAULT ? 1 : 2);
    if (findings.count == 2)
        ck_assert_ptr_nonnull(strstr(findings.items[1].what, "leads to this Doorbell."));
    findings.count = 1;
    expect(&findings, severity, what, fix);
}

START_TEST(each_thing_that_a_proxy_hands_on_wrongly_has_the_line_that_mends_it)
{
    struct findings findings = {0};
    struct public_facts facts = good_front;
    facts.post = (struct visit_facts){.end = VISIT_ANSWERED, .status = 422};
    facts.post_seen = true;
    diagnose_public(&findings, &facts);
    expect(&findings, SEVERITY_WELL, "leads to this Doorbell.", NULL);

    facts = good_front;
    facts.sighting.at_root = false;
    facts.visit.has_needle = false;
    facts.visit.status = 404;
    expect_front(&facts, SEVERITY_FAULT, "hands the path on",
                 "proxy_pass http://...; with a slash");
    facts = good_front;
    facts.sighting.lacks_tls = true;
    facts.visit.status = 400;
    expect_front(&facts, SEVERITY_FAULT, "without TLS", "leave web.tls_cert out");
    facts = good_front;
    facts.post = (struct visit_facts){.end = VISIT_ANSWERED, .status = 403};
    expect_front(&facts, SEVERITY_FAULT,
                 "but only GET: POST, by which Molly registers, does not "
                 "come here, and answers with 403.",
                 "limit_except");
    facts = good_front;
    facts.seen = false;
    expect_front(&facts, SEVERITY_FAULT, "the request did not come here", "keep nothing of it");
    facts = good_front;
    strcpy(facts.sighting.host, "127.0.0.1:8020");
    expect_front(&facts, SEVERITY_WARNING, "for the host 127.0.0.1:8020",
                 "in nginx: proxy_set_header Host $http_host;");
    facts = good_front;
    strcpy(facts.sighting.scheme, "http");
    expect_front(&facts, SEVERITY_WARNING, "asked by http",
                 "proxy_set_header X-Forwarded-Proto $scheme;");
    facts.sighting.scheme[0] = '\0'; /* who says nothing is taken to mean https */
    findings = (struct findings){0};
    diagnose_public(&findings, &facts);
    ck_assert_uint_eq(findings.count, 1);
    facts = good_front;
    facts.sighting.names_client = false;
    expect_front(&facts, SEVERITY_WARNING, "does not say who asks",
                 "proxy_set_header X-Forwarded-For $remote_addr;");
    strcpy(facts.visit.server, "Apache");
    expect_front(&facts, SEVERITY_WARNING, "does not say who asks", "ProxyAddHeaders On.");
    facts = good_front;
    facts.sighting.is_trusted = false;
    facts.sighting.names_client = false; /* of no interest before it is believed */
    strcpy(facts.sighting.peer, "203.0.113.9");
    expect_front(&facts, SEVERITY_WARNING, "does not have its address 203.0.113.9",
                 "[auto, \"203.0.113.9\"]");
}
END_TEST

START_TEST(a_visit_that_came_here_needs_no_key_to_know_the_page_and_one_to_our_own_tls_no_proxy)
{
    struct findings findings = {0};
    struct public_facts facts = good_front;
    facts.visit.has_needle = false;
    diagnose_public(&findings, &facts);
    expect(&findings, SEVERITY_WELL, "leads to this Doorbell.", NULL);
    facts = good_front;
    facts.sighting = (struct sighting){.at_root = true, .is_tls = true, .host = "push.example.org"};
    findings = (struct findings){0};
    diagnose_public(&findings, &facts);
    expect(&findings, SEVERITY_WELL, "leads to this Doorbell.", NULL);
}
END_TEST

static struct findings clock_of(int64_t signal_ahead_s, int64_t push_ahead_s)
{
    struct findings findings = {0};
    struct probe_facts facts = {
        .signal.roads[ROAD_HTTP1] = {.origin = "wss://chat", .v4 = upgraded, .v6 = gone},
        .origins = {{.origin = "https://ntfy.lan",
                     .visit = {.end = VISIT_ANSWERED,
                               .status = 200,
                               .has_date = true,
                               .ahead_s = push_ahead_s}}},
        .origin_count = 1};
    facts.signal.roads[ROAD_HTTP1].v4.has_date = true;
    facts.signal.roads[ROAD_HTTP1].v4.ahead_s = signal_ahead_s;
    diagnose_clock(&findings, &facts);
    return findings;
}

START_TEST(a_clock_that_is_wrong_is_told_once_and_is_a_fault_beyond_five_minutes)
{
    struct findings findings = clock_of(2, -3);
    expect(&findings, SEVERITY_WELL, "goes as those", NULL);
    findings = clock_of(90, 90);
    expect(&findings, SEVERITY_WARNING, "clock of wss://chat it is 90 s later", "timedatectl");
    findings = clock_of(-301, -301);
    expect(&findings, SEVERITY_FAULT, "301 s earlier", "timedatectl");
    findings = clock_of(0, 4000);
    expect(&findings, SEVERITY_FAULT, "clock of https://ntfy.lan", "the other one");
    findings = (struct findings){0};
    diagnose_clock(&findings,
                   &(struct probe_facts){.signal.roads[ROAD_HTTP1] = {.v4 = gone, .v6 = upgraded}});
    expect(&findings, SEVERITY_UNCHECKED, "It was not compared", "timedatectl");
}
END_TEST

START_TEST(each_state_of_the_folder_has_its_remedy)
{
    enum { PLENTY = 1000 * 1000 * 1000, MB = 1000 * 1000 };
    const struct machine_facts good = {
        .folder = "/srv", .writable = true, .free_bytes = PLENTY, .free_files = -1};
    struct machine_facts missing = good, closed = good, fixed = good, strange = good, weak = good,
                         small = good, full = good, crowded = good;
    missing.missing = ENOENT;
    closed.missing = EACCES;
    closed.us = 1000;
    fixed.read_only = true;
    strange.writable = false;
    strange.us = 1000;
    strange.owner = 999;
    weak.writable = false;
    weak.owner = 65532; /* and we are root without CAP_DAC_OVERRIDE */
    small.free_bytes = 100 * MB;
    full.free_bytes = MB;
    crowded.free_files = 1;
    const struct {
        const struct machine_facts *facts;
        enum severity severity;
        const char *what, *fix;
    } cases[] = {
        {&good, SEVERITY_WELL, "has room", NULL},
        {&closed, SEVERITY_FAULT, "may not look at", "as the user that runs the server"},
        {&missing, SEVERITY_FAULT, "cannot be looked at", "--config"},
        {&fixed, SEVERITY_FAULT, "read-only", "Mount"},
        {&strange, SEVERITY_FAULT, "uid 1000 may not write", "uid 999 owns it"},
        {&weak, SEVERITY_FAULT, "uid 0 may not write", "uid 65532 owns it"},
        {&small, SEVERITY_WARNING, "100 MB left", "Make room"},
        {&full, SEVERITY_FAULT, "1 MB left", "Make room"},
        {&crowded, SEVERITY_FAULT, "no further file", "Remove"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct findings findings = {0};
        diagnose_machine(&findings, cases[i].facts);
        expect(&findings, cases[i].severity, cases[i].what, cases[i].fix);
    }
}
END_TEST

START_TEST(what_a_root_without_all_rights_may_not_enter_is_anothers)
{
    const struct {
        struct machine_facts facts;
        bool is_of_another;
    } cases[] = {
        {{.writable = true, .owner = 65532}, false},
        {{.owner = 65532}, true},
        {{.missing = EACCES}, true},
        {{.missing = ENOENT}, false},
        {{.read_only = true, .owner = 65532}, false},
        {{.us = 1000, .missing = EACCES}, true},
        {{.us = 1000, .owner = 1000}, false},
        {{.us = 1000, .owner = 999}, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(machine_is_of_another(&cases[i].facts) == cases[i].is_of_another, "%zu", i);
}
END_TEST

/* Accounts */

static json_t *account_of(const char *pseudonym, const char *health, const char *advice)
{
    return json_pack("{s:s, s:i, s:s, s:s?, s:{s:s, s:s}, s:{s:s, s:s, s:s, s:I}, s:{s:I, s:b}, "
                     "s:{s:I, s:i}, s:I}",
                     "pseudonym", pseudonym, "device", 2, "health", health, "advice", advice,
                     "link", "state", "up", "words", "connected", "endpoint", "origin",
                     "https://ntfy.lan", "state", "ok", "words", "accepts pushes", "accepted",
                     (json_int_t)1700000000, "message", "at", (json_int_t)0, "urgent", 1, "ring",
                     "at", (json_int_t)0, "status", 0, "owed_since", (json_int_t)0);
}

/* Takes over `accounts`. */
static struct findings told_of(bool running, json_t *accounts, const char *advice)
{
    struct findings findings = {0};
    json_t *status = json_pack("{s:{s:b, s:i, s:I, s:[s*]}, s:o}", "bridge", "running", running,
                               "accounts", (int)json_array_size(accounts), "started",
                               (json_int_t)1700000000, "advice", advice, "accounts", accounts);
    diagnose_accounts(&findings, status, key, NULL);
    json_decref(status);
    return findings;
}

START_TEST(accounts_with_the_same_trouble_are_one_finding_under_names_of_this_report)
{
    json_t *accounts = json_array();
    for (char last = '0'; last < '8'; last++) {
        char pseudonym[] = "012345678_";
        pseudonym[9] = last;
        json_array_append_new(accounts, account_of(pseudonym, "broken", "Do this."));
    }
    struct findings findings = told_of(true, accounts, NULL);
    expect(&findings, SEVERITY_FAULT, "8 accounts (", "Do this.");
    ck_assert_ptr_nonnull(strstr(findings.items[0].what, ", ...): Signal: connected; push server"));
    ck_assert_ptr_null(strstr(findings.items[0].what, "012345678"));
}
END_TEST

static json_t *account_at(const char *pseudonym, const char *advice, const char *origin,
                          const char *state)
{
    json_t *account = account_of(pseudonym, "broken", advice);
    json_t *endpoint = json_object_get(account, "endpoint");
    json_object_set_new(endpoint, "origin", json_string(origin));
    json_object_set_new(endpoint, "state", json_string(state));
    return account;
}

START_TEST(the_same_trouble_at_several_push_servers_is_one_finding_each)
{
    static const char *const origins[] = {"https://a.example", "https://b.example"};
    json_t *accounts = json_array();
    for (size_t i = 0; i < 6; i++)
        json_array_append_new(accounts,
                              account_at("0123456789", "Allow it.", origins[i % 2], "failing"));
    json_array_append_new(accounts, account_at("0123456789", "Renew it.", origins[0], "failing"));
    struct findings findings = told_of(true, accounts, NULL);
    ck_assert_uint_eq(findings.count, 3);
    ck_assert_ptr_nonnull(strstr(findings.items[0].what, "3 accounts ("));
    ck_assert_ptr_nonnull(strstr(findings.items[0].what, "push server https://a.example: "));
    ck_assert_ptr_nonnull(strstr(findings.items[1].what, "3 accounts ("));
    ck_assert_ptr_nonnull(strstr(findings.items[1].what, "push server https://b.example: "));
    ck_assert_str_eq(findings.items[2].fix, "Renew it.");
}
END_TEST

START_TEST(what_the_settings_forbid_is_one_finding_for_each_push_server)
{
    static const char *const origins[] = {"https://a.example", "https://b.example"};
    json_t *accounts = json_array();
    for (size_t i = 0; i < 2; i++) {
        json_t *account = account_at("0123456789", "Allow it.", origins[i], "ok");
        json_object_set_new(json_object_get(account, "endpoint"), "denied", json_true());
        json_array_append_new(accounts, account);
    }
    struct findings findings = told_of(true, accounts, NULL);
    ck_assert_uint_eq(findings.count, 2);
    ck_assert_ptr_nonnull(strstr(findings.items[0].what, "push server https://a.example: "));
    ck_assert_ptr_nonnull(strstr(findings.items[1].what, "push server https://b.example: "));
}
END_TEST

START_TEST(signals_trouble_is_one_finding_wherever_the_accounts_ring)
{
    json_t *accounts = json_array();
    json_array_append_new(accounts, account_at("0123456789", "Relink.", "https://a.example", "ok"));
    json_array_append_new(accounts, account_at("9876543210", "Relink.", "https://b.example", "ok"));
    struct findings findings = told_of(true, accounts, NULL);
    expect(&findings, SEVERITY_FAULT, "2 accounts (", "Relink.");
    ck_assert_ptr_null(strstr(findings.items[0].what, "push server"));
}
END_TEST

/* Three accounts: two at a push server that fails, of which one was unlinked, one elsewhere. */
START_TEST(who_is_not_rung_because_a_push_server_fails_is_told_with_it_alone)
{
    static const enum visit_end ends[] = {VISIT_NO_CONNECT, VISIT_DENIED, VISIT_NO_TLS};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct findings findings = {0};
        struct probe_facts *facts = mem_new(sizeof *facts);
        facts->origins[0] =
            (struct origin_facts){.origin = "https://a.example", .visit = {.end = ends[i]}};
        facts->origins[1] = (struct origin_facts){.origin = "https://b.example",
                                                  .visit = {.end = VISIT_ANSWERED, .status = 200}};
        facts->origin_count = 2;
        json_t *failing = account_at("0123456789", "Check it.", "https://a.example", "failing");
        json_t *waiting = account_at("1111111111", NULL, "https://a.example", "ok");
        json_t *unlinked = account_at("2222222222", "Relink.", "https://a.example", "ok");
        json_t *elsewhere = account_at("3333333333", NULL, "https://b.example", "ok");
        json_object_set_new(waiting, "health", json_string("well"));
        json_object_set_new(waiting, "owed_since", json_integer(1700000000));
        json_object_set_new(elsewhere, "health", json_string("well"));
        json_object_set_new(json_object_get(unlinked, "link"), "state", json_string("refused"));
        json_t *status =
            json_pack("{s:{s:b, s:i}, s:[o, o, o, o]}", "bridge", "running", 1, "accounts", 4,
                      "accounts", failing, waiting, unlinked, elsewhere);
        diagnose_accounts(&findings, status, key, facts);
        ck_assert_uint_eq(findings.count, 2);
        ck_assert_str_eq(findings.items[0].fix, "Relink.");
        ck_assert_int_eq(findings.items[1].severity, SEVERITY_WELL);
        findings = (struct findings){0};
        diagnose_path(&findings, facts, status, key);
        const struct finding *told = NULL;
        for (size_t k = 0; k < findings.count; k++)
            if (strstr(findings.items[k].what, "https://a.example: "))
                told = &findings.items[k];
        ck_assert_ptr_nonnull(told);
        ck_assert_int_eq(told->severity, SEVERITY_FAULT);
        ck_assert_ptr_nonnull(strstr(told->what, "; 3 accounts ("));
        ck_assert_ptr_nonnull(strstr(told->what, ") are not rung, and a ring is owed since Nov 1"));
        ck_assert_ptr_null(strstr(told->what, "1111111111"));
        json_decref(status);
        free(facts);
    }
}
END_TEST

static json_t *unlinked_by(const char *reason, const char *state)
{
    json_t *account = account_at("0123456789", "Check it.", "https://a.example", "ok");
    json_t *link = json_object_get(account, "link");
    json_object_set_new(link, "state", json_string(state));
    json_object_set_new(link, "reason", json_string(reason));
    return account;
}

START_TEST(who_is_not_connected_because_signal_fails_is_told_with_it_alone)
{
    static const struct {
        struct visit_facts visit;
        const char *reason, *state;
        bool is_told; /* with Signal */
    } cases[] = {
        {{.end = VISIT_NO_CONNECT}, "unreachable", "backing-off", true},
        {{.end = VISIT_NO_CONNECT}, "unreachable", "connecting", true},
        {{.end = VISIT_ANSWERED, .status = 503}, "server_trouble", "backing-off", true},
        {{.end = VISIT_ANSWERED, .status = 499}, "client_refused", "backing-off", true},
        {{.end = VISIT_ANSWERED, .status = 101}, "unreachable", "backing-off", false},
        {{.end = VISIT_NO_CONNECT}, "unauthorized", "backing-off", false},
        {{.end = VISIT_NO_CONNECT}, "unauthorized", "refused", false},
        {{.end = VISIT_NO_CONNECT}, "contested", "contested", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct findings findings = {0};
        struct probe_facts *facts = mem_new(sizeof *facts);
        struct road_facts *road = &facts->signal.roads[ROAD_HTTP1];
        road->v4 = road->v6 = road->fallback = cases[i].visit;
        json_t *status = json_pack("{s:{s:b, s:i}, s:[o]}", "bridge", "running", 1, "accounts", 1,
                                   "accounts", unlinked_by(cases[i].reason, cases[i].state));
        diagnose_accounts(&findings, status, key, facts);
        ck_assert_uint_eq(findings.count, cases[i].is_told ? 0 : 1);
        findings = (struct findings){0};
        diagnose_path(&findings, facts, status, key);
        ck_assert(!strstr(findings.items[0].what, " is not connected.") == !cases[i].is_told);
        json_decref(status);
        free(facts);
    }
}
END_TEST

START_TEST(what_all_accounts_see_of_signal_is_told_once)
{
    const char *advice = view_alarm_advice(VIEW_ALARM_CLIENT);
    struct probe_facts *facts = mem_new(sizeof *facts);
    for (int fails = 0; fails < 2; fails++) {
        struct findings findings = {0};
        struct road_facts *road = &facts->signal.roads[ROAD_HTTP1];
        road->v4 = road->v6 = fails ? outdated : upgraded;
        json_t *status = json_pack("{s:{s:b, s:i, s:[s, s]}, s:[]}", "bridge", "running", 1,
                                   "accounts", 3, "advice", advice, "Make room.", "accounts");
        diagnose_accounts(&findings, status, key, facts);
        ck_assert_uint_eq(findings.count, fails ? 1 : 2);
        ck_assert_str_eq(findings.items[fails ? 0 : 1].what, "Make room.");
        json_decref(status);
    }
    free(facts);
}
END_TEST

START_TEST(a_remedy_does_not_begin_with_the_cause_that_is_told_before_it)
{
    static const char advice[] =
        "The push server's access list refuses us: on it run: ntfy access.";
    json_t *account = account_at("0123456789", advice, "https://a.example", "failing");
    json_object_set_new(json_object_get(account, "endpoint"), "words",
                        json_string("The push server's access list refuses us (403)"));
    struct findings findings = told_of(true, json_pack("[O]", account), NULL);
    ck_assert_str_eq(findings.items[0].fix, "On it run: ntfy access.");
    json_object_set_new(json_object_get(account, "endpoint"), "words", json_string("fails"));
    findings = told_of(true, json_pack("[o]", account), NULL);
    ck_assert_str_eq(findings.items[0].fix, advice);
}
END_TEST

static struct findings with_room_for(size_t accounts, int most, bool no_room)
{
    struct findings findings = {0};
    json_t *status = json_pack("{s:{s:b, s:i, s:i, s:b}, s:[]}", "bridge", "running", 1, "accounts",
                               (int)accounts, "links_most", most, "no_room", no_room, "accounts");
    diagnose_accounts(&findings, status, key, NULL);
    json_decref(status);
    return findings;
}

START_TEST(whether_the_server_may_open_enough_files_is_told_before_it_is_too_late)
{
    struct findings findings = with_room_for(80, 100, false);
    expect(&findings, SEVERITY_WELL, "100 accounts need", NULL);
    findings = with_room_for(81, 100, false);
    expect(&findings, SEVERITY_WARNING, "100 accounts need, and there are 81", "LimitNOFILE");
    findings = with_room_for(81, 0, false);
    ck_assert_uint_eq(findings.count, 0); /* without a limit */
    findings = with_room_for(120, 100, true);
    ck_assert_uint_eq(findings.count, 0); /* it is among what concerns all */
}
END_TEST

START_TEST(what_concerns_all_is_not_repeated_for_each)
{
    json_t *accounts = json_array();
    json_array_append_new(accounts, account_of("0123456789", "broken", "Update."));
    struct findings findings = told_of(true, accounts, "Update.");
    expect(&findings, SEVERITY_FAULT, "Update.", NULL);
}
END_TEST

START_TEST(what_comes_back_by_itself_is_no_fault)
{
    json_t *accounts = json_array();
    json_array_append_new(accounts, account_of("0123456789", "trying", NULL));
    struct findings findings = told_of(true, accounts, NULL);
    expect(&findings, SEVERITY_WARNING, "Signal: connected", "again in a minute");
}
END_TEST

START_TEST(many_accounts_that_are_well_are_counted)
{
    json_t *accounts = json_array();
    for (size_t i = 0; i < 100; i++)
        json_array_append_new(accounts, account_of("0123456789", "well", NULL));
    struct findings findings = told_of(true, accounts, NULL);
    ck_assert_uint_lt(findings.count, 10);
    ck_assert(!findings.has_fault);
    ck_assert_ptr_nonnull(
        strstr(findings.items[0].what,
               ": Signal accepted its login and showed its queue; no message since the start at"));
    ck_assert_ptr_nonnull(strstr(findings.items[0].what, "https://ntfy.lan accepted a test at"));
    ck_assert_ptr_nonnull(strstr(findings.items[findings.count - 1].what, "more accounts are"));
}
END_TEST

START_TEST(without_a_server_nothing_is_called_well)
{
    json_t *accounts = json_array();
    json_array_append_new(accounts, account_of("0123456789", "well", NULL));
    struct findings findings = told_of(false, accounts, NULL);
    expect(&findings, SEVERITY_FAULT, "No server runs", "Start it");
}
END_TEST

/* Takes over `refused`. */
static json_t *bridge_with(int accounts, json_t *refused)
{
    return json_pack("{s:{s:b, s:i, s:o}, s:[]}", "bridge", "running", 1, "accounts", accounts,
                     "refused", refused, "accounts");
}

#define FIFTY "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LONG_NAME FIFTY "." FIFTY "." FIFTY "." FIFTY

static json_t *refusal_of(const char *status, const char *why)
{
    return json_pack("{s:I, s:s, s:s, s:s}", "at", (json_int_t)1700000000, "status", status,
                     "origin", strstr(why, LONG_NAME) ? "https://" LONG_NAME : "https://ntfy.lan",
                     "why", why);
}

START_TEST(nobody_is_told_the_way_to_be_linked_that_is_open_to_him)
{
    static const struct {
        enum linking linking;
        const char *fix;
    } cases[] = {
        {LINKING_BY_WEB, "open the public address in the phone's browser"},
        {LINKING_UNKNOWN, "is itself a linked device, and its primary phone is the one to link."},
        {LINKING_BY_HAND, "No phone comes in by itself: \"doorbell setup\" shows a code."},
    };
    json_t *status = bridge_with(0, json_null());
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct findings findings = {0};
        diagnose_phones(&findings, status, cases[i].linking);
        expect(&findings, SEVERITY_FAULT, "No account is registered", cases[i].fix);
        ck_assert_ptr_nonnull(strstr(findings.items[0].fix, "\"doorbell setup\""));
    }
    json_decref(status);
    status = bridge_with(1, json_null());
    struct findings findings = {0};
    diagnose_phones(&findings, status, LINKING_BY_WEB);
    ck_assert_uint_eq(findings.count, 0);
    json_decref(status);
}
END_TEST

START_TEST(a_phone_that_came_and_was_refused_is_told_with_its_remedy)
{
    static const struct {
        const char *status, *why, *what, *fix;
    } cases[] = {
        {"invalid_endpoint",
         "ntfy.lan has the private address 192.168.1.5; to allow it add \"https://ntfy.lan\" to "
         "push.allowed_endpoints",
         "was refused: ntfy.lan has the private address 192.168.1.5.",
         "If it is your push server, add \"https://ntfy.lan\" to push.allowed_endpoints, or run "
         "\"doorbell setup --allow https://ntfy.lan\"; then tap"},
        {"invalid_endpoint",
         "ntfy.lan is not listed; to allow it add \"https://ntfy.lan\", with its user name and "
         "password before the host, to push.allowed_endpoints",
         "is not listed.", "before the host, to push.allowed_endpoints; then tap"},
        {"invalid_endpoint", "ntfy.lan is a private address; to allow it add \"https://ntfy.l",
         "private address.", "If it is your push server, add it to push.allowed_endpoints; then"},
        {"invalid_endpoint", "ntfy.lan is forbidden by the entry \"lan\" of push.denied",
         "of push.denied.", "Choose another push server"},
        {"forbidden", "the messenger's server refused the credentials", "refused the credentials.",
         "new credentials"},
        {"invalid_uuid", "accounts.allowed does not have this account id", "account id.",
         "Add the id to accounts.allowed"},
        {"invalid_endpoint",
         LONG_NAME " has the private address 192.168.1.5; to allow it add \"https://" LONG_NAME
                   "\" to push.allowed_endpoints",
         "private address 192.168.1.5.",
         "If it is your push server, add it to push.allowed_endpoints; then tap"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *status = bridge_with(0, refusal_of(cases[i].status, cases[i].why));
        struct findings findings = {0};
        diagnose_phones(&findings, status, LINKING_BY_WEB);
        expect_first(&findings, SEVERITY_FAULT, cases[i].what, cases[i].fix);
        ck_assert_uint_eq(findings.count, 2);
        ck_assert_str_eq(findings.items[1].fix, ""); /* it is all that there is to mend */
        json_decref(status);
    }
    json_t *status = bridge_with(1, refusal_of("forbidden", "no"));
    struct findings findings = {0};
    diagnose_phones(&findings, status, LINKING_BY_WEB);
    expect(&findings, SEVERITY_WARNING, "A phone came at Nov 1", "new credentials");
    json_decref(status);
}
END_TEST

/* 0: there is none. */
static int64_t refused_at(const struct arrivals *arrivals, int64_t now_unix)
{
    const struct arrival *refused = arrivals_refused(arrivals, now_unix);
    return refused ? refused->at_unix : 0;
}

START_TEST(a_phone_on_trial_is_told_of_until_it_is_let_in)
{
    static const char origin[] = "https://ntfy.lan", other[] = "https://ntfy.sh";
    struct arrivals arrivals = {0};
    arrivals_note(&arrivals, REGISTRATION_INTERNAL_ERROR, ARRIVAL_UNDECIDED, NULL, origin, "slow",
                  1);
    ck_assert_str_eq(arrivals_refused(&arrivals, 9)->why, "slow");
    arrivals_explain(&arrivals, REGISTRATION_INTERNAL_ERROR, NULL, other, "not its");
    ck_assert_str_eq(arrivals_refused(&arrivals, 9)->why, "slow");
    arrivals_explain(&arrivals, REGISTRATION_INTERNAL_ERROR, NULL, origin, "unreachable");
    ck_assert_str_eq(arrivals_refused(&arrivals, 9)->why, "unreachable");
    arrivals_taken(&arrivals, NULL, other);
    ck_assert_int_eq(refused_at(&arrivals, 9), 1);
    arrivals_taken(&arrivals, "4c98aabbcc", origin);
    ck_assert_int_eq(refused_at(&arrivals, 9), 0);
    arrivals_note(&arrivals, REGISTRATION_FORBIDDEN, ARRIVAL_PHONE, NULL, origin, "no", 2);
    arrivals_explain(&arrivals, REGISTRATION_INTERNAL_ERROR, NULL, origin, "later");
    arrivals_taken(&arrivals, NULL, origin); /* of other credentials */
    ck_assert_str_eq(arrivals_refused(&arrivals, 9)->why, "no");
}
END_TEST

START_TEST(a_refusal_is_told_until_the_same_phone_is_taken)
{
    static const char origin[] = "https://ntfy.lan", other[] = "https://ntfy.sh";
    enum { WEEK = 7 * 24 * 3600 };
    struct arrivals arrivals = {0};
    ck_assert_int_eq(refused_at(&arrivals, 1), 0);
    arrivals_note(&arrivals, REGISTRATION_INVALID_ENDPOINT, ARRIVAL_PHONE, NULL, origin, "no", 1);
    for (int i = 0; i < ARRIVALS_KEPT; i++)
        arrivals_note(&arrivals, REGISTRATION_OK, ARRIVAL_PHONE, "4c98aabbcc", other, "", 2);
    ck_assert_int_eq(refused_at(&arrivals, WEEK), 1);
    ck_assert_int_eq(refused_at(&arrivals, WEEK + 1), 0); /* whoever it was has given up */
    arrivals_note(&arrivals, REGISTRATION_INVALID_ENDPOINT, ARRIVAL_PHONE, NULL, origin, "no", 3);
    ck_assert_int_eq(refused_at(&arrivals, 9), 3);
    arrivals_note(&arrivals, REGISTRATION_OK, ARRIVAL_PHONE, "0011223344", origin, "", 4);
    ck_assert_int_eq(refused_at(&arrivals, 9), 0);
    arrivals_note(&arrivals, REGISTRATION_FORBIDDEN, ARRIVAL_PHONE, "4c98aabbcc", origin, "no", 5);
    arrivals_note(&arrivals, REGISTRATION_OK, ARRIVAL_PHONE, "0011223344", origin, "",
                  6); /* another user */
    ck_assert_int_eq(refused_at(&arrivals, 9), 5);
    arrivals_note(&arrivals, REGISTRATION_OK, ARRIVAL_PHONE, "4c98aabbcc", other, "", 7);
    ck_assert_int_eq(refused_at(&arrivals, 9), 0);
    arrivals_note(&arrivals, REGISTRATION_INTERNAL_ERROR, ARRIVAL_PHONE, NULL, origin, "later", 8);
    ck_assert_int_eq(refused_at(&arrivals, 9), 0);
    arrivals_note(&arrivals, REGISTRATION_INVALID_UUID, ARRIVAL_NO_PHONE, NULL, origin, "no UUID",
                  8);
    ck_assert_int_eq(refused_at(&arrivals, 9), 0);
    arrivals_note(&arrivals, REGISTRATION_INVALID_UUID, ARRIVAL_PHONE, NULL, origin, "not listed",
                  7);
    arrivals_note(&arrivals, REGISTRATION_INVALID_ENDPOINT, ARRIVAL_PHONE, NULL, "", "no URL", 8);
    arrivals_note(&arrivals, REGISTRATION_FORBIDDEN, ARRIVAL_NO_PHONE, NULL, origin, "no password",
                  9);
    arrivals_note(&arrivals, REGISTRATION_OK, ARRIVAL_PHONE, "4c98aabbcc", "", "", 9);
    ck_assert_int_eq(refused_at(&arrivals, 9), 8);
    arrivals_note(&arrivals, REGISTRATION_FORBIDDEN, ARRIVAL_PHONE, NULL, origin, "no", 10);
    ck_assert_int_eq(refused_at(&arrivals, 10), 10);
}
END_TEST

START_TEST(a_link_that_has_not_shown_its_queue_is_not_called_linked)
{
    json_t *account = account_of("0123456789", "well", NULL);
    json_object_set_new(json_object_get(account, "link"), "proven", json_false());
    struct findings findings = told_of(true, json_pack("[o]", account), NULL);
    expect(&findings, SEVERITY_UNCHECKED, "Signal: connected.", "again in a minute");
}
END_TEST

/* The key */

START_TEST(a_key_that_is_another_one_from_the_next_start_on_is_a_fault_where_phones_are_linked)
{
    static const struct {
        struct key_facts facts;
        enum severity severity;
        const char *what, *fix;
    } cases[] = {
        {{.place = "/vapid.key", .running = "A", .next = "A", .linked = true},
         SEVERITY_WELL,
         "signs with the key in /vapid.key.",
         NULL},
        {{.place = "/vapid.key", .next = "A"}, SEVERITY_WELL, "There is one in /vapid.key.", NULL},
        {{.running = "A", .next = "A"}, SEVERITY_WELL, "the key in push.vapid_key.", NULL},
        {{.place = "/vapid.key", .running = "A", .next = "B", .linked = true},
         SEVERITY_FAULT,
         "than the one that is now in /vapid.key",
         "Put the former key back"},
        {{.place = "/vapid.key", .running = "A", .next = "B"},
         SEVERITY_WARNING,
         "than the one that is now in /vapid.key",
         "Restart the server before a phone"},
        {{.place = "/vapid.key", .running = "A", .missing = true, .linked = true},
         SEVERITY_FAULT,
         "(push.vapid_key_file) has gone, and the accounts",
         "Put it back"},
        {{.place = "/vapid.key", .running = "A", .missing = true},
         SEVERITY_WARNING,
         "(push.vapid_key_file) has gone.",
         "makes another one"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct findings findings = {0};
        diagnose_key(&findings, &cases[i].facts);
        expect(&findings, cases[i].severity, cases[i].what, cases[i].fix);
    }
    struct findings findings = {0};
    diagnose_key(&findings, &(struct key_facts){.place = "/vapid.key", .missing = true});
    diagnose_key(&findings, &(struct key_facts){.place = "/vapid.key", .running = "A"});
    ck_assert_uint_eq(findings.count, 0);
}
END_TEST

/* Whom alerts reach */

START_TEST(whether_anybody_would_be_told_is_said_in_any_case)
{
    struct findings findings = {0};
    struct probe_facts *facts = mem_new(sizeof *facts);
    diagnose_alerts(&findings, facts);
    expect(&findings, SEVERITY_UNCHECKED, "alert.url is not set", "doorbell setup");
    facts->alerts =
        (struct origin_facts){.origin = "https://ntfy.sh", .visit = {.end = VISIT_ANSWERED}};
    facts->heartbeat =
        (struct origin_facts){.origin = "https://hc.example", .visit = {.end = VISIT_ANSWERED}};
    findings = (struct findings){0};
    diagnose_alerts(&findings, facts);
    ck_assert_uint_eq(findings.count, 2);
    ck_assert_str_eq(findings.items[0].what, "https://ntfy.sh answers.");
    ck_assert_str_eq(findings.items[1].what, "https://hc.example answers.");
    facts->heartbeat.visit = gone;
    findings = (struct findings){0};
    diagnose_alerts(&findings, facts);
    ck_assert_str_eq(findings.items[1].what, "The heartbeat does not arrive: https://hc.example "
                                             "cannot be reached (refused).");
    ck_assert_ptr_nonnull(strstr(findings.items[1].fix, "alert.heartbeat_url"));
    free(facts);
}
END_TEST

START_TEST(an_address_family_that_keeps_alerts_back_is_named)
{
    static const struct {
        struct visit_facts visit;
        const char *what, *fix;
    } cases[] = {
        {{.end = VISIT_NO_ADDRESS, .has_v6 = true},
         "https://ntfy.lan has only IPv6 addresses, and net.family is ipv4.",
         "Set net.family to auto."},
        {{.end = VISIT_NO_ROUTE, .has_v6 = true, .why = "unreachable"},
         "https://ntfy.lan has only IPv6 addresses, and this machine has no IPv6 that leads there.",
         "Give this machine IPv6."},
        {{.end = VISIT_NO_CONNECT, .has_v6 = true, .why = "refused"},
         "https://ntfy.lan cannot be reached (refused).",
         "alert.url"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct findings findings = {0};
        struct probe_facts *facts = mem_new(sizeof *facts);
        facts->alerts =
            (struct origin_facts){.origin = "https://ntfy.lan", .visit = cases[i].visit};
        diagnose_alerts(&findings, facts);
        expect(&findings, SEVERITY_WARNING, cases[i].what, cases[i].fix);
        free(facts);
    }
}
END_TEST

static json_t *delivery_of(const char *what, const char *origin, int64_t since_unix)
{
    return json_pack("{s:{s:s, s:I, s:s}}", what, "origin", origin, "since", (json_int_t)since_unix,
                     "why", "it answers 403; check the token");
}

START_TEST(whoever_answers_and_takes_nothing_is_not_called_well)
{
    static const struct {
        const char *what;
        bool visited;
        int64_t since_unix;
        enum severity severity;
        const char *words, *fix;
    } cases[] = {
        {"alerts", true, 7, SEVERITY_WARNING, "https://ntfy.sh has taken none since",
         "alert.token"},
        {"alerts", true, 0, SEVERITY_WELL, "https://ntfy.sh answers.", NULL},
        {"alerts", false, 7, SEVERITY_WARNING, ": it answers 403; check the token.", "alert.url"},
        {"alerts", false, 0, SEVERITY_UNCHECKED, "Alerts go to https://ntfy.sh, by the running",
         NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct findings findings = {0};
        struct probe_facts *facts = mem_new(sizeof *facts);
        json_t *told = delivery_of(cases[i].what, "https://ntfy.sh", cases[i].since_unix);
        facts->told = told;
        if (cases[i].visited)
            facts->alerts =
                (struct origin_facts){.origin = "https://ntfy.sh", .visit.end = VISIT_ANSWERED};
        diagnose_alerts(&findings, facts);
        expect(&findings, cases[i].severity, cases[i].words, cases[i].fix);
        json_decref(told);
        free(facts);
    }
}
END_TEST

START_TEST(a_heartbeat_that_is_refused_is_told_beside_alerts_that_arrive)
{
    struct findings findings = {0};
    struct probe_facts *facts = mem_new(sizeof *facts);
    json_t *told = delivery_of("heartbeat", "https://hc.example", 7);
    facts->told = told;
    facts->alerts = (struct origin_facts){.origin = "https://ntfy.sh", .visit.end = VISIT_ANSWERED};
    facts->heartbeat =
        (struct origin_facts){.origin = "https://hc.example", .visit.end = VISIT_ANSWERED};
    diagnose_alerts(&findings, facts);
    ck_assert_uint_eq(findings.count, 2);
    ck_assert_str_eq(findings.items[0].what, "https://ntfy.sh answers.");
    ck_assert_ptr_nonnull(strstr(findings.items[1].what, "https://hc.example has taken none"));
    json_decref(told);
    free(facts);
}
END_TEST

START_TEST(a_certificate_is_told_before_it_ends_and_a_fault_behind)
{
    enum { DAY = 24 * 3600, NOW = 1000 * DAY };
    static const struct {
        int64_t left_s;
        enum severity severity;
        const char *what, *fix;
    } cases[] = {
        {-1, SEVERITY_FAULT, "web.tls_cert ended on 1972-09-26", "did not"},
        {0, SEVERITY_FAULT, "ended on 1972-09-27", "did not"},
        {DAY / 2, SEVERITY_WARNING, "ends in less than a day, on 1972-09-27.", "did not"},
        {DAY, SEVERITY_WARNING, "ends in 1 day, on 1972-09-28.", "did not"},
        {14 * DAY, SEVERITY_WARNING, "ends in 14 days, on 1972-10-11.", "did not"},
        {14 * DAY + 1, SEVERITY_WELL, "is good until 1972-10-11.", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct findings findings = {0};
        diagnose_certificate(&findings, NOW + cases[i].left_s, NOW, 14 * DAY);
        expect(&findings, cases[i].severity, cases[i].what, cases[i].fix);
    }
    struct findings none = {0};
    diagnose_certificate(&none, 0, NOW, 14 * DAY);
    ck_assert_uint_eq(none.count, 0);
}
END_TEST

/* The list and its report */

START_TEST(faults_come_first_and_what_is_too_much_is_counted)
{
    struct findings findings = {0};
    for (int i = 0; i < FINDINGS_MOST; i++)
        findings_add(&findings, i % 2 ? SEVERITY_FAULT : SEVERITY_WELL, "store", NULL, "%d", i);
    findings_add(&findings, SEVERITY_FAULT, "store", NULL, "a line\nand another");
    ck_assert_uint_eq(findings.left_out, 1);
    findings_sort(&findings);
    ck_assert_str_eq(findings.items[0].what, "1");
    ck_assert_str_eq(findings.items[1].what, "3");
    ck_assert_str_eq(findings.items[FINDINGS_MOST - 1].what, "62");
}
END_TEST

START_TEST(a_report_says_the_same_to_people_and_to_programs)
{
    struct findings findings = {0};
    findings_add(&findings, SEVERITY_FAULT, "store", "Make room.", "A %s\nline", "long");
    char *text = NULL;
    size_t length;
    FILE *file = open_memstream(&text, &length);
    report_print(file, &findings, 1700000000, false);
    fclose(file);
    ck_assert_ptr_nonnull(strstr(text, "\nFAULT store: A long?line\n      -> Make room.\n"));
    ck_assert_ptr_nonnull(strstr(text, "\n1 fault was found."));
    ck_assert_ptr_null(strstr(text, "No fault on this side"));
    free(text);
    json_t *json = report_json(&findings, 1700000000);
    ck_assert(json_is_false(json_object_get(json, "well")));
    const json_t *first = json_array_get(json_object_get(json, "findings"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(first, "severity")), "fault");
    ck_assert_str_eq(json_string_value(json_object_get(first, "fix")), "Make room.");
    json_decref(json);
}
END_TEST

UNIT_MAIN("doctor", each_way_to_signal_has_its_words,
          signal_over_http2_alone_has_the_words_of_its_own_address,
          of_two_roads_one_that_fails_is_a_warning_and_what_keeps_from_both_is_told_once,
          a_family_that_fails_on_both_roads_is_told_once,
          a_client_whose_other_user_agent_is_taken_is_told_once,
          that_the_running_server_has_left_http2_is_told_once,
          each_end_of_a_visit_to_a_push_server_has_the_words_of_a_push_that_ends_so,
          what_is_to_be_done_about_a_push_server_goes_by_the_settings_in_force,
          each_end_of_a_visit_to_the_public_address_has_its_words,
          whether_the_server_may_open_enough_files_is_told_before_it_is_too_late,
          the_same_trouble_at_several_push_servers_is_one_finding_each,
          what_the_settings_forbid_is_one_finding_for_each_push_server,
          who_is_not_rung_because_a_push_server_fails_is_told_with_it_alone,
          who_is_not_connected_because_signal_fails_is_told_with_it_alone,
          what_all_accounts_see_of_signal_is_told_once,
          a_remedy_does_not_begin_with_the_cause_that_is_told_before_it,
          signals_trouble_is_one_finding_wherever_the_accounts_ring,
          each_thing_that_a_proxy_hands_on_wrongly_has_the_line_that_mends_it,
          a_visit_that_came_here_needs_no_key_to_know_the_page_and_one_to_our_own_tls_no_proxy,
          a_clock_that_is_wrong_is_told_once_and_is_a_fault_beyond_five_minutes,
          each_state_of_the_folder_has_its_remedy,
          what_a_root_without_all_rights_may_not_enter_is_anothers,
          accounts_with_the_same_trouble_are_one_finding_under_names_of_this_report,
          what_concerns_all_is_not_repeated_for_each, what_comes_back_by_itself_is_no_fault,
          many_accounts_that_are_well_are_counted, without_a_server_nothing_is_called_well,
          nobody_is_told_the_way_to_be_linked_that_is_open_to_him,
          a_phone_that_came_and_was_refused_is_told_with_its_remedy,
          a_phone_on_trial_is_told_of_until_it_is_let_in,
          a_refusal_is_told_until_the_same_phone_is_taken,
          a_link_that_has_not_shown_its_queue_is_not_called_linked,
          a_key_that_is_another_one_from_the_next_start_on_is_a_fault_where_phones_are_linked,
          whether_anybody_would_be_told_is_said_in_any_case,
          an_address_family_that_keeps_alerts_back_is_named,
          whoever_answers_and_takes_nothing_is_not_called_well,
          a_certificate_is_told_before_it_ends_and_a_fault_behind,
          a_heartbeat_that_is_refused_is_told_beside_alerts_that_arrive,
          by_what_signals_certificate_was_verified_is_said,
          a_family_that_leads_nowhere_is_a_warning_where_the_other_one_does,
          a_push_server_at_the_public_address_is_told_as_that_whatever_its_front_page_is,
          a_proxy_is_not_blamed_for_a_server_that_does_not_run,
          an_address_that_is_not_set_is_missed_only_where_phones_may_come_by_themselves,
          faults_come_first_and_what_is_too_much_is_counted,
          a_report_says_the_same_to_people_and_to_programs)
