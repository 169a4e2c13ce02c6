#include "account/registry.h"

#include <stdio.h>
#include <string.h>

#include "unit.h"

static const uint8_t pseudonym_key[STORE_SECRET_SIZE] = {1, 2, 3};

/* User n is all n's. */
static struct store_account a_row(uint8_t user, uint8_t device, const char *endpoint)
{
    struct store_account row = {
        .key = {.messenger = MESSENGER_SIGNAL, .device = device},
        .password = "a password",
        .endpoint = endpoint,
        .registered_unix = 1700000000,
    };
    memset(row.key.uuid, user, sizeof row.key.uuid);
    return row;
}

static struct account *add(struct registry *registry, uint8_t user, uint8_t device,
                           const char *endpoint)
{
    struct store_account row = a_row(user, device, endpoint);
    return registry_add(registry, &row);
}

struct seen {
    struct registry *registry; /* removes what it sees if set */
    unsigned count;
    bool device[256];
};

static void see(void *arg, struct account *account)
{
    struct seen *seen = arg;
    seen->count++;
    seen->device[account->key.device] = true;
    if (seen->registry)
        registry_remove(seen->registry, account);
}

START_TEST(an_account_mirrors_its_row)
{
    struct registry registry;
    registry_init(&registry, pseudonym_key);
    struct store_account row = a_row(1, 2, "https://push.example/up?id=1");
    row.has_push_keys = true;
    memset(row.push_p256dh, 4, sizeof row.push_p256dh);
    memset(row.push_auth, 5, sizeof row.push_auth);
    row.endpoint_proven = true;
    row.endpoint_state = ENDPOINT_SUSPECT;
    row.owed_since_unix = 1700000001;

    struct account *account = registry_add(&registry, &row);
    ck_assert_int_eq(account->state, ACCOUNT_CONNECTING);
    struct store_account back;
    registry_row(account, &back);
    ck_assert_mem_eq(&back.key, &row.key, sizeof row.key);
    ck_assert_str_eq(back.password, "a password");
    ck_assert_str_eq(back.endpoint, "https://push.example/up?id=1");
    ck_assert(back.has_push_keys);
    ck_assert_mem_eq(back.push_p256dh, row.push_p256dh, sizeof row.push_p256dh);
    ck_assert_mem_eq(back.push_auth, row.push_auth, sizeof row.push_auth);
    ck_assert(!back.refused);
    ck_assert(back.endpoint_proven);
    ck_assert_int_eq(back.endpoint_state, ENDPOINT_SUSPECT);
    ck_assert_int_eq(back.registered_unix, 1700000000);
    ck_assert_int_eq(back.owed_since_unix, 1700000001);
    registry_fini(&registry);
}
END_TEST

START_TEST(a_refused_row_makes_a_refused_account_and_back)
{
    struct registry registry;
    registry_init(&registry, pseudonym_key);
    struct store_account row = a_row(1, 2, "https://push.example/up");
    row.refused = true;
    struct account *account = registry_add(&registry, &row);
    ck_assert_int_eq(account->state, ACCOUNT_REFUSED);
    struct store_account back;
    registry_row(account, &back);
    ck_assert(back.refused);
    registry_fini(&registry);
}
END_TEST

START_TEST(an_endpoint_state_from_the_future_is_ok)
{
    struct registry registry;
    registry_init(&registry, pseudonym_key);
    struct store_account row = a_row(1, 2, "https://push.example/up");
    row.endpoint_state = 200;
    ck_assert_int_eq(registry_add(&registry, &row)->endpoint.state, ENDPOINT_OK);
    registry_fini(&registry);
}
END_TEST

START_TEST(the_texts_of_the_row_may_go)
{
    struct registry registry;
    registry_init(&registry, pseudonym_key);
    char password[] = "secret", endpoint[] = "https://push.example/up";
    struct store_account row = a_row(1, 2, endpoint);
    row.password = password;
    struct account *account = registry_add(&registry, &row);
    memset(password, 'x', sizeof password - 1);
    memset(endpoint, 'x', sizeof endpoint - 1);
    ck_assert_str_eq(account->password, "secret");
    ck_assert_str_eq(account->endpoint.url, "https://push.example/up");
    registry_fini(&registry);
}
END_TEST

START_TEST(accounts_are_found_by_messenger_user_and_device)
{
    struct registry registry;
    registry_init(&registry, pseudonym_key);
    struct account *first = add(&registry, 1, 2, "https://a.example/1");
    struct account *second = add(&registry, 1, 3, "https://a.example/2");
    ck_assert_uint_eq(registry_count(&registry), 2);

    struct store_account row = a_row(1, 2, "");
    ck_assert_ptr_eq(registry_find(&registry, &row.key), first);
    row.key.device = 3;
    ck_assert_ptr_eq(registry_find(&registry, &row.key), second);
    row.key.device = 4;
    ck_assert_ptr_null(registry_find(&registry, &row.key));
    row = a_row(1, 2, "");
    row.key.messenger++;
    ck_assert_ptr_null(registry_find(&registry, &row.key));
    row = a_row(2, 2, "");
    ck_assert_ptr_null(registry_find(&registry, &row.key));
    registry_fini(&registry);
}
END_TEST

START_TEST(a_removed_account_is_found_no_more)
{
    struct registry registry;
    registry_init(&registry, pseudonym_key);
    struct account *account = add(&registry, 1, 2, "https://a.example/1");
    struct account *other = add(&registry, 1, 3, "https://a.example/1");
    struct account_key key = account->key, other_key = other->key;
    registry_remove(&registry, account);
    ck_assert_ptr_null(registry_find(&registry, &key));
    ck_assert_ptr_eq(registry_find(&registry, &other_key), other);
    ck_assert_uint_eq(registry_count(&registry), 1);
    ck_assert_uint_eq(registry_count_endpoint(&registry, "https://a.example/1"), 1);
    registry_fini(&registry);
}
END_TEST

START_TEST(all_devices_of_a_user_are_visited_and_nobody_elses)
{
    struct registry registry;
    registry_init(&registry, pseudonym_key);
    for (uint8_t user = 1; user <= 200; user++)
        for (uint8_t device = 1; device <= 3; device++)
            add(&registry, user, (uint8_t)(device + user % 2 * 3), "https://a.example/1");

    struct store_account row = a_row(77, 99, "");
    struct seen seen = {0};
    registry_each_of_user(&registry, &row.key, see, &seen);
    ck_assert_uint_eq(seen.count, 3);
    ck_assert(seen.device[4] && seen.device[5] && seen.device[6]);

    struct store_account nobody = a_row(201, 1, "");
    seen = (struct seen){0};
    registry_each_of_user(&registry, &nobody.key, see, &seen);
    ck_assert_uint_eq(seen.count, 0);
    registry_fini(&registry);
}
END_TEST

START_TEST(visited_accounts_may_be_removed)
{
    struct registry registry;
    registry_init(&registry, pseudonym_key);
    for (uint8_t device = 1; device <= 100; device++)
        add(&registry, 1, device, "https://a.example/1");
    struct account *other = add(&registry, 2, 1, "https://a.example/1");
    struct account_key key = other->key;

    struct store_account row = a_row(1, 1, "");
    struct seen seen = {.registry = &registry};
    registry_each_of_user(&registry, &row.key, see, &seen);
    ck_assert_uint_eq(seen.count, 100);
    ck_assert_uint_eq(registry_count(&registry), 1);
    ck_assert_ptr_eq(registry_find(&registry, &key), other);

    registry_each(&registry, see, &seen);
    ck_assert_uint_eq(seen.count, 101);
    ck_assert_uint_eq(registry_count(&registry), 0);
    registry_fini(&registry);
}
END_TEST

START_TEST(accounts_are_counted_by_endpoint)
{
    struct registry registry;
    registry_init(&registry, pseudonym_key);
    char url[64];
    for (uint8_t user = 1; user <= 200; user++) {
        snprintf(url, sizeof url, "https://a.example/%u", user / 2);
        add(&registry, user, 1, url);
    }
    ck_assert_uint_eq(registry_count_endpoint(&registry, "https://a.example/50"), 2);
    ck_assert_uint_eq(registry_count_endpoint(&registry, "https://a.example/100"), 1);
    ck_assert_uint_eq(registry_count_endpoint(&registry, "https://a.example/101"), 0);
    registry_fini(&registry);
}
END_TEST

START_TEST(accounts_are_found_by_the_origin_of_their_endpoint)
{
    struct registry registry;
    registry_init(&registry, pseudonym_key);
    add(&registry, 1, 1, "https://a.example/one");
    add(&registry, 2, 2, "https://A.example:443/two");
    add(&registry, 3, 3, "https://a.example:8443/three");
    add(&registry, 4, 4, "no URL at all");
    struct account *mover = add(&registry, 5, 5, "https://b.example/five");
    struct seen seen = {0};
    registry_each_of_origin(&registry, "https://a.example", see, &seen);
    ck_assert_uint_eq(seen.count, 2);
    ck_assert(seen.device[1] && seen.device[2]);
    char url[] = "https://a.example/moved";
    registry_set_endpoint(&registry, mover, &(struct endpoint){.url = url});
    seen = (struct seen){0};
    registry_each_of_origin(&registry, "https://a.example", see, &seen);
    ck_assert_uint_eq(seen.count, 3);
    registry_remove(&registry, mover);
    seen = (struct seen){0};
    registry_each_of_origin(&registry, "https://b.example", see, &seen);
    ck_assert_uint_eq(seen.count, 0);
    registry_each_of_origin(&registry, "https://a.example", see, &seen);
    ck_assert_uint_eq(seen.count, 2);
    registry_fini(&registry);
}
END_TEST

START_TEST(only_what_is_gone_for_good_is_gone_for_the_next_start)
{
    struct registry registry;
    registry_init(&registry, pseudonym_key);
    struct store_account row = a_row(1, 1, "https://a.example/x");
    row.endpoint_state = ENDPOINT_GONE;
    struct account *account = registry_add(&registry, &row);
    struct store_account back;
    registry_row(account, &back);
    ck_assert_int_eq(back.endpoint_state, ENDPOINT_GONE);
    account->endpoint.for_good = false; /* by a 404 */
    registry_row(account, &back);
    ck_assert_int_eq(back.endpoint_state, ENDPOINT_SUSPECT);
    account->endpoint.state = ENDPOINT_FAILING;
    registry_row(account, &back);
    ck_assert_int_eq(back.endpoint_state, ENDPOINT_FAILING);
    registry_fini(&registry);
}
END_TEST

START_TEST(a_new_endpoint_starts_ok_and_unproven)
{
    struct registry registry;
    registry_init(&registry, pseudonym_key);
    struct store_account row = a_row(1, 1, "https://a.example/old");
    row.endpoint_proven = true;
    row.endpoint_state = ENDPOINT_GONE;
    struct account *account = registry_add(&registry, &row);

    char url[] = "https://a.example/new";
    struct endpoint_keys keys = {.auth = {9}};
    struct endpoint endpoint = {
        .url = url, .keys = &keys, .proven = true, .state = ENDPOINT_FAILING};
    registry_set_endpoint(&registry, account, &endpoint);
    memset(url, 'x', sizeof url - 1);
    keys.auth[0] = 8;
    ck_assert_str_eq(account->endpoint.url, "https://a.example/new");
    ck_assert(!account->endpoint.proven);
    ck_assert_ptr_nonnull(account->endpoint.keys);
    ck_assert_int_eq(account->endpoint.keys->auth[0], 9);
    ck_assert_int_eq(account->endpoint.state, ENDPOINT_OK);
    ck_assert_uint_eq(registry_count_endpoint(&registry, "https://a.example/old"), 0);
    ck_assert_uint_eq(registry_count_endpoint(&registry, "https://a.example/new"), 1);

    registry_fini(&registry);
}
END_TEST

START_TEST(other_keys_change_nothing_that_is_known_about_the_url)
{
    struct registry registry;
    registry_init(&registry, pseudonym_key);
    struct store_account row = a_row(1, 1, "https://a.example/up");
    row.endpoint_proven = true;
    row.endpoint_state = ENDPOINT_SUSPECT;
    row.endpoint_status = 404;
    row.endpoint_not_before_unix = 1800000000;
    row.endpoint_retry_unix = 1800000001;
    row.endpoint_floor_unix = 1800000002;
    row.endpoint_repeated = 3;
    struct account *account = registry_add(&registry, &row);
    char url[] = "https://a.example/up";
    struct endpoint_keys keys = {.auth = {9}};
    registry_set_endpoint(&registry, account, &(struct endpoint){.url = url, .keys = &keys});
    struct store_account back;
    registry_row(account, &back);
    ck_assert(back.has_push_keys && back.push_auth[0] == 9);
    ck_assert(back.endpoint_proven);
    ck_assert_uint_eq(back.endpoint_state, ENDPOINT_SUSPECT);
    ck_assert_int_eq(back.endpoint_status, 404);
    ck_assert_int_eq(back.endpoint_not_before_unix, 1800000000);
    ck_assert_int_eq(back.endpoint_retry_unix, 1800000001);
    ck_assert_int_eq(back.endpoint_floor_unix, 1800000002);
    ck_assert_uint_eq(back.endpoint_repeated, 3);
    ck_assert_uint_eq(registry_count_endpoint(&registry, url), 1);
    registry_set_endpoint(&registry, account, &account->endpoint);
    ck_assert_str_eq(account->endpoint.url, url);
    ck_assert_uint_eq(registry_count_endpoint(&registry, url), 1);
    registry_fini(&registry);
}
END_TEST

START_TEST(a_pseudonym_names_the_user_and_needs_the_key)
{
    struct registry registry;
    registry_init(&registry, pseudonym_key);
    struct account *first = add(&registry, 1, 1, "https://a.example/1");
    struct account *second = add(&registry, 1, 2, "https://a.example/2");
    struct account *other = add(&registry, 2, 1, "https://a.example/3");
    ck_assert_uint_eq(strlen(first->pseudonym), PSEUDONYM_SIZE - 1);
    ck_assert_str_eq(first->pseudonym, second->pseudonym);
    ck_assert_str_ne(first->pseudonym, other->pseudonym);

    struct registry with_another_key;
    registry_init(&with_another_key, (uint8_t[STORE_SECRET_SIZE]){9});
    char text[PSEUDONYM_SIZE];
    registry_pseudonym(&registry, &first->key, text);
    ck_assert_str_eq(text, first->pseudonym);
    registry_pseudonym(&with_another_key, &first->key, text);
    ck_assert_str_ne(text, first->pseudonym);
    registry_fini(&with_another_key);
    registry_fini(&registry);
}
END_TEST

START_TEST(endpoints_are_the_same_by_url_and_keys)
{
    char url[] = "https://a.example/1", other_url[] = "https://a.example/2";
    struct endpoint a = {.url = url}, b = {.url = url, .proven = true, .state = ENDPOINT_GONE};
    ck_assert(endpoint_same(&a, &b));
    b.url = other_url;
    ck_assert(!endpoint_same(&a, &b));
    b.url = url;
    struct endpoint_keys as = {0}, bs = {0};
    b.keys = &bs;
    ck_assert(!endpoint_same(&a, &b));
    a.keys = &as;
    ck_assert(endpoint_same(&a, &b));
    bs.auth[15] = 1;
    ck_assert(!endpoint_same(&a, &b));
    bs.auth[15] = 0;
    bs.p256dh[64] = 1;
    ck_assert(!endpoint_same(&a, &b));
}
END_TEST

START_TEST(a_copied_endpoint_has_its_own_url)
{
    char url[] = "https://a.example/1";
    struct endpoint from = {.url = url, .proven = true, .state = ENDPOINT_FAILING}, to = {0};
    endpoint_copy(&to, &from);
    url[0] = 'x';
    ck_assert_str_eq(to.url, "https://a.example/1");
    ck_assert(to.proven);
    ck_assert_int_eq(to.state, ENDPOINT_FAILING);
    endpoint_fini(&to);
    ck_assert_ptr_null(to.url);
}
END_TEST

START_TEST(states_have_the_names_that_people_see)
{
    ck_assert_str_eq(account_state_name(ACCOUNT_CONNECTING), "connecting");
    ck_assert_str_eq(account_state_name(ACCOUNT_UP), "up");
    ck_assert_str_eq(account_state_name(ACCOUNT_BACKING_OFF), "backing-off");
    ck_assert_str_eq(account_state_name(ACCOUNT_CONTESTED), "contested");
    ck_assert_str_eq(account_state_name(ACCOUNT_REFUSED), "refused");
    ck_assert_str_eq(account_state_name(ACCOUNT_DISABLED), "disabled");
    ck_assert_str_eq(endpoint_state_name(ENDPOINT_OK), "ok");
    ck_assert_str_eq(endpoint_state_name(ENDPOINT_FAILING), "failing");
    ck_assert_str_eq(endpoint_state_name(ENDPOINT_SUSPECT), "suspect");
    ck_assert_str_eq(endpoint_state_name(ENDPOINT_GONE), "gone");
}
END_TEST

START_TEST(a_user_is_remembered_by_one_mark_that_another_store_does_not_have)
{
    static const uint8_t other_key[STORE_SECRET_SIZE] = {9};
    struct registry registry, other;
    registry_init(&registry, pseudonym_key);
    registry_init(&other, other_key);
    struct store_account phone = a_row(1, 2, ""), tablet = a_row(1, 3, ""), bob = a_row(2, 2, "");
    uint8_t mark[STORE_MARK_SIZE], another[STORE_MARK_SIZE];
    registry_user_mark(&registry, &phone.key, mark);
    registry_user_mark(&registry, &tablet.key, another);
    ck_assert_mem_eq(mark, another, sizeof mark);
    registry_user_mark(&registry, &bob.key, another);
    ck_assert_mem_ne(mark, another, sizeof mark);
    registry_user_mark(&other, &phone.key, another);
    ck_assert_mem_ne(mark, another, sizeof mark);
    registry_fini(&registry);
    registry_fini(&other);
}
END_TEST

UNIT_MAIN("registry", an_account_mirrors_its_row, a_refused_row_makes_a_refused_account_and_back,
          an_endpoint_state_from_the_future_is_ok, the_texts_of_the_row_may_go,
          accounts_are_found_by_messenger_user_and_device, a_removed_account_is_found_no_more,
          all_devices_of_a_user_are_visited_and_nobody_elses, visited_accounts_may_be_removed,
          accounts_are_counted_by_endpoint, accounts_are_found_by_the_origin_of_their_endpoint,
          only_what_is_gone_for_good_is_gone_for_the_next_start,
          a_new_endpoint_starts_ok_and_unproven,
          other_keys_change_nothing_that_is_known_about_the_url,
          a_pseudonym_names_the_user_and_needs_the_key, endpoints_are_the_same_by_url_and_keys,
          a_copied_endpoint_has_its_own_url, states_have_the_names_that_people_see,
          a_user_is_remembered_by_one_mark_that_another_store_does_not_have)
