#include "alert/alert.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "link/link.h"
#include "push/verdict.h"
#include "unit.h"

#define MINUTE ((int64_t)60 * 1000)
#define HOUR (60 * MINUTE)

static const struct alert_timing timing = {.every_ms = HOUR, .settle_ms = 10 * MINUTE};
static struct alerts alerts;
static struct alert_message message;
static int64_t now;

static void begin(void)
{
    now = 1;
    alerts_init(&alerts, &timing, now);
}

/* Says what is bad: names of accounts that are refused, one character each; and whether no link is
 * up. */
static void look(const char *refused, bool no_link)
{
    alerts_look(&alerts);
    for (; *refused; refused++)
        alerts_bad(&alerts, ALERT_REFUSED, (char[]){*refused, '\0'}, NULL, 0, now);
    if (no_link)
        alerts_bad(&alerts, ALERT_LINKS, "", NULL, 5 * MINUTE, now);
    alerts_looked(&alerts, now);
}

static void hears_nothing(void)
{
    ck_assert(!alerts_next(&alerts, &message, now));
}

static void hears(const char *text)
{
    ck_assert(alerts_next(&alerts, &message, now));
    ck_assert_str_eq(message.text, text);
    alerts_taken(&alerts, message.kind, now);
    hears_nothing();
}

/* Looks every half minute for so long; how many messages that made. */
static int messages_within(int64_t span_ms, const char *refused, bool no_link)
{
    int count = 0;
    for (int64_t end = now + span_ms; now < end; now += MINUTE / 2) {
        look(refused, no_link);
        for (; alerts_next(&alerts, &message, now); count++)
            alerts_taken(&alerts, message.kind, now);
    }
    return count;
}

START_TEST(one_message_when_it_turns_bad_and_one_when_it_is_well_again)
{
    begin();
    look("", false);
    hears_nothing();
    look("a", false);
    hears("Signal does not accept account a any more. The device was probably unlinked: link the "
          "app again.");
    ck_assert_str_eq(message.title, "account refused");
    ck_assert(message.bad);
    ck_assert_uint_eq(message.count, 1);
    ck_assert_int_eq(messages_within(48 * HOUR, "a", false), 0);
    look("", false);
    hears("Signal no longer refuses account a: linked again, or removed or disabled here.");
    ck_assert_str_eq(message.title, "account no longer refused");
    ck_assert(!message.bad);
    ck_assert_uint_eq(message.count, 0);
    ck_assert_int_eq(messages_within(48 * HOUR, "", false), 0);
    ck_assert_uint_eq(alerts.map.count, 0);
    alerts_fini(&alerts);
}
END_TEST

START_TEST(a_short_outage_is_no_alert)
{
    begin();
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(messages_within(5 * MINUTE, "", true), 0);
        ck_assert_int_eq(messages_within(MINUTE, "", false), 0);
    }
    ck_assert_int_eq(messages_within(5 * MINUTE, "", true), 0);
    look("", true);
    hears("No account is connected to Signal (for 5 min). Check this machine's network and name "
          "resolution; the log says why.");
    now += MINUTE;
    look("", false);
    hears("Accounts are connected to Signal again, or there is none left to connect.");
    alerts_fini(&alerts);
}
END_TEST

static void look_for_phones(enum alert_unlinked cause)
{
    alerts_look(&alerts);
    alerts_bad(&alerts, ALERT_UNLINKED, "", NULL, HOUR, now);
    alerts_because(&alerts, ALERT_UNLINKED, "", cause);
    alerts_looked(&alerts, now);
}

START_TEST(a_phone_that_never_comes_is_told_with_the_cause_as_it_is_then)
{
    begin();
    look_for_phones(UNLINKED_NOBODY_CAME);
    hears_nothing();
    now += HOUR;
    look_for_phones(UNLINKED_ELSEWHERE);
    hears("No phone was linked with Doorbell since it started (for 60 min). A phone came to a path "
          "at which it is not answered: let the proxy take the path of the public address away. "
          "\"doorbell doctor\" has the line for it.");
    ck_assert_str_eq(message.title, "no phone linked");
    now += 48 * HOUR;
    look_for_phones(UNLINKED_REFUSED);
    hears_nothing();
    look("", false);
    hears("A phone is linked with Doorbell.");
    alerts_fini(&alerts);
}
END_TEST

START_TEST(each_cause_of_no_phone_has_its_remedy)
{
    enum { UNKNOWN = UNLINKED_REFUSED + 1 };
    char told[UNKNOWN + 1][ALERT_TEXT_SIZE];
    for (unsigned cause = 0; cause <= UNKNOWN; cause++) {
        struct alert_news news = {
            .kind = ALERT_UNLINKED, .fresh = 1, .bad = 1, .named = 1, .names = {""}};
        news.cause = cause;
        words_write(&news, &message);
        strcpy(told[cause], message.text);
        ck_assert_int_eq(told[cause][strlen(told[cause]) - 1], '.');
        for (unsigned i = 0; i < cause; i++)
            ck_assert_str_ne(told[cause], told[i]);
    }
}
END_TEST

START_TEST(a_crowd_that_fails_alike_is_one_message)
{
    begin();
    alerts_look(&alerts);
    for (int i = 0; i < 1000; i++) {
        char name[PSEUDONYM_SIZE];
        snprintf(name, sizeof name, "%04d", i);
        alerts_bad(&alerts, ALERT_ENDPOINT, name, "https://ntfy.example", 0, now);
    }
    alerts_looked(&alerts, now);
    hears("The push server takes no ring for 1000 accounts (0000, 0001, 0002, ...): "
          "https://ntfy.example. See that the push server works and that the app is registered "
          "with it; the log says what it answers.");
    ck_assert_uint_eq(message.count, 1000);
    look("", false);
    hears("Rings for 1000 accounts (0000, 0001, 0002, ...) are no longer held up: taken again, or "
          "removed or disabled here.");
    alerts_fini(&alerts);
}
END_TEST

static void look_at_two(unsigned one, unsigned other)
{
    begin();
    alerts_look(&alerts);
    alerts_bad(&alerts, ALERT_ENDPOINT, "a", "https://ntfy.example", 0, now);
    alerts_because(&alerts, ALERT_ENDPOINT, "a", one);
    alerts_bad(&alerts, ALERT_ENDPOINT, "b", "https://ntfy.example", 0, now);
    alerts_because(&alerts, ALERT_ENDPOINT, "b", other);
    alerts_because(&alerts, ALERT_ENDPOINT, "c", one); /* nobody has said that it is bad */
    alerts_looked(&alerts, now);
}

START_TEST(the_cause_that_all_have_in_common_is_named_with_its_remedy)
{
    unsigned away = verdict_cause_of_status(507, false),
             broken = verdict_cause_of_status(500, false);
    char text[ALERT_TEXT_SIZE];
    look_at_two(away, away);
    snprintf(text, sizeof text,
             "The push server takes no ring for 2 accounts (a, b): https://ntfy.example. %s. %s.",
             verdict_meaning(away), verdict_advice(away));
    hears(text);
    alerts_fini(&alerts);
    look_at_two(away, broken);
    hears("The push server takes no ring for 2 accounts (a, b): https://ntfy.example. See that the "
          "push server works and that the app is registered with it; the log says what it "
          "answers.");
    alerts_fini(&alerts);
}
END_TEST

START_TEST(what_keeps_links_down_is_told_with_the_remedy_that_status_has_for_it)
{
    static const char general[] = "Check this machine's network and name resolution; the log says "
                                  "why.";
    static const struct {
        unsigned cause;
        const char *fix;
    } cases[] = {
        {0, general},
        {ALERT_CAUSE_OF_LINK(LINK_STOPPED), general},
        {ALERT_CAUSE_OF_LINK(LINK_LOST), general},
        {ALERT_CAUSE_OF_LINK(LINK_UNAUTHORIZED), general},
        {ALERT_CAUSE_OF_LINK(LINK_UNTIMELY),
         "By this machine's clock the certificate of Signal's server is not valid: check this "
         "machine's date and time."},
        {ALERT_CAUSE_OF_LINK(LINK_MIDDLEBOX),
         "A proxy, a firewall or a login page answers in Signal's place: let this machine reach "
         "Signal's server directly."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[ALERT_TEXT_SIZE];
        begin();
        alerts_look(&alerts);
        alerts_bad(&alerts, ALERT_LINKS, "", NULL, 0, now);
        alerts_because(&alerts, ALERT_LINKS, "", cases[i].cause);
        alerts_looked(&alerts, now);
        snprintf(text, sizeof text, "No account is connected to Signal. %s", cases[i].fix);
        hears(text);
        alerts_fini(&alerts);
    }
}
END_TEST

START_TEST(several_push_servers_are_not_named)
{
    begin();
    alerts_look(&alerts);
    alerts_bad(&alerts, ALERT_ENDPOINT, "a", "https://a.example", 0, now);
    alerts_bad(&alerts, ALERT_ENDPOINT, "b", "https://b.example", 0, now);
    alerts_looked(&alerts, now);
    ck_assert(alerts_next(&alerts, &message, now));
    ck_assert_ptr_null(strstr(message.text, "https://"));
    alerts_fini(&alerts);
}
END_TEST

START_TEST(what_comes_and_goes_while_it_lasts_is_one_summary_an_hour)
{
    begin();
    look("ab", false);
    hears("Signal does not accept 2 accounts (a, b) any more. The device was probably unlinked: "
          "link the app again.");
    now += 59 * MINUTE;
    look("acde", false);
    hears_nothing();
    now += MINUTE;
    look("acde", false);
    hears(
        "Signal does not accept 3 accounts (c, d, e) any more (for 60 s). The device was probably "
        "unlinked: link the app again. In all it is so for 4. It is over for 1.");
    now += HOUR;
    look("acd", false);
    hears("Signal no longer refuses account e: linked again, or removed or disabled here. It is "
          "still so for "
          "3.");
    look("", false);
    hears("Signal no longer refuses 3 accounts (a, c, d): linked again, or removed or disabled "
          "here.");
    alerts_fini(&alerts);
}
END_TEST

/* 5,000 accounts, of which every half hour one is unlinked, and one linked again. */
START_TEST(a_public_server_gets_one_summary_an_hour_at_most)
{
    begin();
    int count = 0;
    for (int i = 0; i < 48; i++) {
        char refused[] = {(char)('a' + i % 20), (char)('a' + (i + 1) % 20), '\0'};
        count += messages_within(HOUR / 2, refused, false);
    }
    ck_assert_int_ge(count, 20);
    ck_assert_int_le(count, 25);
    alerts_fini(&alerts);
}
END_TEST

START_TEST(what_flaps_is_told_twice_and_then_once_an_hour)
{
    begin();
    int count = 0;
    for (int i = 0; i < 24 * 60; i++)
        count += messages_within(MINUTE, i % 2 ? "a" : "", false);
    ck_assert_int_ge(count, 20);
    ck_assert_int_le(count, 4 + 24);
    int last = messages_within(2 * HOUR, "", false);
    ck_assert_int_le(last, 1);
    ck_assert(!alerts_stands(&alerts, ALERT_REFUSED));
    alerts_fini(&alerts);
}
END_TEST

START_TEST(kinds_do_not_wait_for_each_other)
{
    begin();
    look("a", true);
    hears("Signal does not accept account a any more. The device was probably unlinked: link the "
          "app again.");
    now += 6 * MINUTE;
    look("a", true);
    ck_assert(alerts_next(&alerts, &message, now));
    ck_assert_int_eq(message.kind, ALERT_LINKS);
    alerts_fini(&alerts);
}
END_TEST

START_TEST(a_message_that_was_not_taken_is_written_anew)
{
    begin();
    look("a", false);
    ck_assert(alerts_next(&alerts, &message, now));
    alerts_failed(&alerts, ALERT_REFUSED);
    now += 30 * MINUTE;
    look("ab", false);
    hears("Signal does not accept 2 accounts (a, b) any more (for 30 min). The device was probably "
          "unlinked: link the app again.");
    alerts_fini(&alerts);
}
END_TEST

START_TEST(what_was_over_before_anybody_could_be_told_is_told_as_such)
{
    begin();
    look("", true);
    now += 20 * MINUTE;
    look("", true);
    ck_assert(alerts_next(&alerts, &message, now));
    alerts_failed(&alerts, ALERT_LINKS); /* the network is down for alerts, too */
    now += MINUTE;
    look("", false);
    now += 3 * HOUR;
    look("", false);
    hears("No account is connected to Signal (for 21 min). That is over. Accounts are connected to "
          "Signal again, or there is none left to connect.");
    ck_assert(!message.bad);
    alerts_fini(&alerts);
}
END_TEST

START_TEST(what_changes_while_a_message_is_under_way_is_told_after_it)
{
    begin();
    look("a", false);
    ck_assert(alerts_next(&alerts, &message, now));
    look("", false); /* meanwhile */
    alerts_taken(&alerts, ALERT_REFUSED, now);
    hears("Signal no longer refuses account a: linked again, or removed or disabled here.");
    look("a", false);
    ck_assert(alerts_next(&alerts, &message, now));
    alerts_taken(&alerts, ALERT_REFUSED, now);
    look("", false);
    ck_assert(alerts_next(&alerts, &message, now));
    look("a", false); /* again, meanwhile */
    alerts_taken(&alerts, ALERT_REFUSED, now);
    now += HOUR;
    hears("Signal does not accept account a any more (for 60 min). The device was probably "
          "unlinked: link the app again.");
    alerts_fini(&alerts);
}
END_TEST

/* As the process before told of it. */
static void begin_after(enum alert_kind kind, const char *subject)
{
    begin();
    alerts_inherit(&alerts, kind, subject);
    ck_assert(alerts_stands(&alerts, kind));
}

START_TEST(a_restart_repeats_nothing_and_tells_the_end)
{
    begin_after(ALERT_REFUSED, "a");
    ck_assert_int_eq(messages_within(2 * HOUR, "a", false), 0);
    look("", false);
    hears("Signal no longer refuses account a: linked again, or removed or disabled here.");
    alerts_fini(&alerts);
    begin_after(ALERT_LINKS, "");
    ck_assert_int_eq(messages_within(2 * HOUR, "", true), 0);
    look("", false);
    hears("Accounts are connected to Signal again, or there is none left to connect.");
    alerts_fini(&alerts);
}
END_TEST

START_TEST(what_ended_while_it_was_restarted_is_told_once_that_is_sure)
{
    begin_after(ALERT_LINKS, "");
    ck_assert_int_eq(messages_within(10 * MINUTE, "", false), 0);
    look("", false);
    hears("Accounts are connected to Signal again, or there is none left to connect.");
    ck_assert(!alerts_stands(&alerts, ALERT_LINKS));
    alerts_fini(&alerts);
    begin_after(ALERT_REFUSED, ""); /* which the store knows at once */
    look("", false);
    hears("Signal no longer refuses 1 account: linked again, or removed or disabled here.");
    alerts_fini(&alerts);
}
END_TEST

START_TEST(contention_that_shows_anew_after_a_restart_is_the_same)
{
    begin_after(ALERT_CONTESTED, "a");
    look("", false);
    now += 3 * MINUTE;
    alerts_look(&alerts);
    alerts_bad(&alerts, ALERT_CONTESTED, "a", NULL, 0, now);
    alerts_looked(&alerts, now);
    hears_nothing();
    now += 10 * MINUTE;
    alerts_look(&alerts);
    alerts_bad(&alerts, ALERT_CONTESTED, "a", NULL, 0, now);
    alerts_looked(&alerts, now);
    hears_nothing();
    look("", false);
    hears("Nobody else uses the linked device of account a any more, or it was removed or disabled "
          "here.");
    alerts_fini(&alerts);
}
END_TEST

START_TEST(after_a_restart_another_account_is_news_at_once)
{
    begin_after(ALERT_REFUSED, "a");
    look("ab", false); /* b before the restart, perhaps, or while nobody could be told */
    hears("Signal does not accept account b any more. The device was probably unlinked: link the "
          "app again. In all it is so for 2.");
    look("b", false);
    hears_nothing();
    now += HOUR;
    hears("Signal no longer refuses account a: linked again, or removed or disabled here. It is "
          "still so for 1.");
    alerts_fini(&alerts);
}
END_TEST

START_TEST(what_ended_with_its_account_is_told_beside_what_is_new)
{
    begin_after(ALERT_REFUSED, "");
    look("b", false);
    hears("Signal does not accept account b any more. The device was probably unlinked: link the "
          "app again. It is over for 1.");
    alerts_fini(&alerts);
}
END_TEST

static char handed[256];

static void hand_on(void *arg, enum alert_kind kind, const char *subject, bool bad)
{
    size_t length = strlen(handed);
    (void)arg;
    snprintf(handed + length, sizeof handed - length, "%s %s %s, ", alert_kind_name(kind), subject,
             bad ? "bad" : "over");
}

START_TEST(what_is_told_and_over_is_handed_on)
{
    begin();
    handed[0] = '\0';
    alerts_listen(&alerts, hand_on, NULL);
    look("ab", false);
    ck_assert(alerts_next(&alerts, &message, now));
    alerts_failed(&alerts, ALERT_REFUSED);
    ck_assert_str_eq(handed, "");
    ck_assert_int_eq(messages_within(MINUTE, "ab", false), 1);
    ck_assert_str_eq(handed, "refused a bad, refused b bad, ");
    ck_assert_int_eq(messages_within(2 * HOUR, "b", false), 1);
    ck_assert_str_eq(handed, "refused a bad, refused b bad, refused a over, ");
    handed[0] = '\0';
    alerts_tell_anew(&alerts); /* whoever was told of b is nobody's receiver any more */
    ck_assert_str_eq(handed, "refused b over, ");
    alerts_fini(&alerts);
}
END_TEST

START_TEST(a_receiver_that_knows_of_nothing_is_told_what_stands)
{
    begin();
    alerts_inherit(&alerts, ALERT_LINKS, "");
    look("ab", false);
    ck_assert(alerts_next(&alerts, &message, now));
    alerts_taken(&alerts, ALERT_REFUSED, now);
    look("b", false);
    alerts_unsure(&alerts, ALERT_LINKS, "");
    alerts_tell_anew(&alerts);
    look("b", false);
    hears("Signal does not accept account b any more. The device was probably unlinked: link the "
          "app again. It is over for 1.");
    ck_assert(!alerts_stands(&alerts, ALERT_LINKS)); /* nothing has shown it since the start */
    ck_assert_int_eq(messages_within(2 * HOUR, "b", false), 0);
    alerts_fini(&alerts);
}
END_TEST

START_TEST(one_account_may_be_unknown)
{
    begin();
    look("ab", false);
    ck_assert(alerts_next(&alerts, &message, now));
    alerts_taken(&alerts, ALERT_REFUSED, now);
    now += HOUR;
    alerts_look(&alerts);
    alerts_unsure(&alerts, ALERT_REFUSED, "a");
    alerts_unsure(&alerts, ALERT_REFUSED, "c"); /* it was well */
    alerts_looked(&alerts, now);
    hears("Signal no longer refuses account b: linked again, or removed or disabled here. It is "
          "still so for 1.");
    look("", false);
    hears("Signal no longer refuses account a: linked again, or removed or disabled here.");
    alerts_fini(&alerts);
}
END_TEST

START_TEST(what_is_not_known_stays_as_it_was)
{
    begin();
    alerts_look(&alerts);
    alerts_bad(&alerts, ALERT_CLOCK, "", "it is 1970", 0, now);
    alerts_looked(&alerts, now);
    hears("The clock of this machine seems to be wrong: it is 1970. Check this machine's date and "
          "time: where they are wrong, push servers refuse rings, and no certificate is good.");
    alerts_look(&alerts);
    alerts_unknown(&alerts, ALERT_CLOCK);
    alerts_looked(&alerts, now);
    hears_nothing();
    look("", false);
    hears("The clock of this machine agrees with others again.");
    alerts_fini(&alerts);
}
END_TEST

START_TEST(every_kind_has_words_that_fit)
{
    for (enum alert_kind kind = 0; kind < ALERT_KINDS; kind++) {
        struct alert_news news = {.kind = kind,
                                  .fresh = 1000000,
                                  .back = 1000000,
                                  .over = 1000000,
                                  .bad = 9000000,
                                  .names = {"0123456789", "0123456789", "0123456789"},
                                  .named = 3,
                                  .where =
                                      "https://a.name.that.is.as.long.as.they.come.example:8443",
                                  .lasted_ms = 10000 * HOUR};
        words_write(&news, &message);
        ck_assert_int_eq(message.text[strlen(message.text) - 1], '.');
        news.fresh = news.back = 0;
        words_write(&news, &message);
        ck_assert_int_eq(message.text[strlen(message.text) - 1], '.');
        ck_assert_ptr_nonnull(alert_kind_name(kind));
    }
}
END_TEST

UNIT_MAIN("alert", one_message_when_it_turns_bad_and_one_when_it_is_well_again,
          a_short_outage_is_no_alert, a_phone_that_never_comes_is_told_with_the_cause_as_it_is_then,
          each_cause_of_no_phone_has_its_remedy, a_crowd_that_fails_alike_is_one_message,
          the_cause_that_all_have_in_common_is_named_with_its_remedy,
          what_keeps_links_down_is_told_with_the_remedy_that_status_has_for_it,
          several_push_servers_are_not_named,
          what_comes_and_goes_while_it_lasts_is_one_summary_an_hour,
          a_public_server_gets_one_summary_an_hour_at_most,
          what_flaps_is_told_twice_and_then_once_an_hour, kinds_do_not_wait_for_each_other,
          a_message_that_was_not_taken_is_written_anew,
          what_was_over_before_anybody_could_be_told_is_told_as_such,
          what_changes_while_a_message_is_under_way_is_told_after_it,
          a_restart_repeats_nothing_and_tells_the_end,
          what_ended_while_it_was_restarted_is_told_once_that_is_sure,
          contention_that_shows_anew_after_a_restart_is_the_same,
          after_a_restart_another_account_is_news_at_once,
          what_ended_with_its_account_is_told_beside_what_is_new,
          what_is_told_and_over_is_handed_on, a_receiver_that_knows_of_nothing_is_told_what_stands,
          one_account_may_be_unknown, what_is_not_known_stays_as_it_was,
          every_kind_has_words_that_fit)
