// Federated sums: two owners, one query, and a consumer who opens the total and no part of it.

#include "market.h"

// An owner's side, and the consumer's order of its asset.
struct party {
    sealock_account *account;
    sealock_owner *owner;
    sealock_node *node;
    sealock_buffer *member;
    sealock_asset *asset;
    sealock_order *order;
};

static const char *const ROWS[] = {
    PEOPLE,
    "plan,age,visits\n"
    "free,20,3\nfree,44,4\nfree,70,\n"
    "paid,25,10\npaid,80,1\npaid,90,20\n",
};

static sealock_policy *federated_policy(const char *const *members, size_t count) {
    sealock_policy *policy = people_policy_of_queries();
    MUST(sealock_policy_federation(policy, members, count, &error));
    return policy;
}

// People of 40 and more, by plan, of both owners together: one of those on the plan "free" has no number of visits.
static void check_answer(const sealock_answer *answer) {
    static const struct {
        const char *sum, *values, *count;
    } expected[] = {{"9", "2", "3"}, {"37", "4", "4"}};
    size_t rows;
    uint8_t scale;
    double mean;
    int32_t present;
    sealock_buffer *sum, *over;
    MUST(sealock_answer_rows(answer, &rows, &error));
    CHECK(rows == COUNT(expected));
    for (size_t row = 0; row < COUNT(expected); row++) {
        MUST(sealock_answer_exact(answer, "mean(visits)", row, &sum, &scale, &over, &error));
        CHECK(says(sum, expected[row].sum) && scale == 0);
        CHECK(says(over, expected[row].values));
        MUST(sealock_answer_exact(answer, "count", row, &sum, &scale, &over, &error));
        CHECK(says(sum, expected[row].count) && over == NULL);
    }
    MUST(sealock_answer_double(answer, "mean(visits)", 1, &mean, &present, &error));
    CHECK(present && mean == 37.0 / 4.0);
}

static size_t tickets_in_wallet(const sealock_consumer *consumer) {
    sealock_federated_tickets *tickets;
    sealock_federated_ticket *ticket;
    size_t count;
    MUST(sealock_consumer_federated_tickets(consumer, &tickets, &error));
    MUST(sealock_federated_tickets_count(tickets, &count, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_federated_tickets_get(tickets, count, &ticket, &error));
    sealock_federated_tickets_free(tickets);
    return count;
}

static uint64_t uses_left(const sealock_order *order) {
    uint64_t uses;
    MUST(sealock_order_uses_left(order, &uses, &error));
    return uses;
}

int main(void) {
    sealock_exchange *exchange;
    sealock_account *account;
    sealock_consumer *consumer;
    sealock_terms *terms;
    sealock_schema *schema = people_schema();
    sealock_policy *policy;
    sealock_offer *offer;
    sealock_published *published;
    struct party parties[2];
    const char *members[2];
    MUST(sealock_exchange_in_memory(&exchange, &error));
    MUST(sealock_account_generate(&account, &error));
    MUST(sealock_exchange_consumer(exchange, account, &consumer, &error));
    MUST(sealock_terms_free_of_charge(5, &terms, &error));
    MUST(sealock_terms_uses_per_order(terms, 3, &error));

    // Each owner tells who it is. It is the same every time.
    for (size_t i = 0; i < COUNT(parties); i++) {
        sealock_buffer *again;
        MUST(sealock_account_generate(&parties[i].account, &error));
        MUST(sealock_exchange_owner(exchange, parties[i].account, &parties[i].owner, &error));
        MUST(sealock_owner_node(parties[i].owner, &parties[i].node, &error));
        MUST(sealock_owner_member(parties[i].owner, &parties[i].member, &error));
        members[i] = sealock_buffer_text(parties[i].member);
        CHECK(strlen(members[i]) == strlen("0x/") + 40 + 64);
        MUST(sealock_owner_member(parties[i].owner, &again, &error));
        CHECK(says(again, members[i]));
    }
    policy = federated_policy(members, 2);
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_policy_federation(policy, LIST("0x12/ab"), &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_policy_federation(policy, LIST(members[0], ""), &error));

    // Each publishes under the same policy, and the consumer orders both assets.
    for (size_t i = 0; i < COUNT(parties); i++) {
        sealock_table *table;
        MUST(sealock_table_from_csv(schema, (const uint8_t *)ROWS[i], strlen(ROWS[i]), 0, &table, &error));
        if (i == 0) {
            // A member alone, and nobody.
            for (size_t count = 0; count < COUNT(parties); count++) {
                sealock_policy *rules = federated_policy(members, count);
                MUST(sealock_offer_new("People", table, rules, terms, &offer, &error));
                FAILS(SEALOCK_ERROR_INVALID_ARGUMENT,
                      sealock_owner_publish(parties[i].owner, offer, NULL, &published, &error));
                sealock_offer_free(offer);
                sealock_policy_free(rules);
            }
        }
        MUST(sealock_offer_new("People", table, policy, terms, &offer, &error));
        MUST(sealock_owner_publish(parties[i].owner, offer, NULL, &published, &error));
        MUST(sealock_published_asset(published, &parties[i].asset, &error));
        MUST(sealock_consumer_buy(consumer, parties[i].asset, 1, &error));
        MUST(sealock_consumer_order(consumer, parties[i].asset, &parties[i].order, &error));
        sealock_published_free(published);
        sealock_offer_free(offer);
        sealock_table_free(table);
    }

    // What is refused takes no use.
    sealock_query *query = people_query(40);
    sealock_ticket *alone;
    sealock_federated_ticket *ticket;
    sealock_cancel *cancel;
    const sealock_order *orders[] = {parties[0].order, parties[1].order}, *twice[] = {orders[0], orders[0]};
    FAILS(SEALOCK_ERROR_POLICY_DENIED, sealock_order_request(orders[0], query, NULL, &alone, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT,
          sealock_consumer_request_federated(consumer, NULL, 0, query, NULL, &ticket, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT,
          sealock_consumer_request_federated(consumer, orders, 1, query, NULL, &ticket, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT,
          sealock_consumer_request_federated(consumer, twice, 2, query, NULL, &ticket, &error));
    MUST(sealock_cancel_new(&cancel, &error));
    MUST(sealock_cancel_request(cancel, &error));
    sealock_watch watch = {.struct_size = sizeof watch, .cancel = cancel};
    FAILS(SEALOCK_ERROR_CANCELLED,
          sealock_consumer_request_federated(consumer, orders, 2, query, &watch, &ticket, &error));
    CHECK(ticket == NULL && uses_left(orders[0]) == 3 && uses_left(orders[1]) == 3);
    sealock_cancel_free(cancel);

    MUST(sealock_consumer_request_federated(consumer, orders, 2, query, NULL, &ticket, &error));
    CHECK(uses_left(orders[0]) == 2 && uses_left(orders[1]) == 2);
    MUST(sealock_federated_ticket_renew(ticket, &error));
    size_t count;
    MUST(sealock_federated_ticket_parts(ticket, &count, &error));
    CHECK(count == 2);

    // Each part goes to its owner's node, as bytes. It says who else is asked.
    uint8_t job[SEALOCK_DIGEST_BYTES], other[SEALOCK_DIGEST_BYTES];
    sealock_request *request, *read;
    sealock_result *results[2];
    sealock_receipt *receipts[2];
    for (size_t i = 0; i < COUNT(parties); i++) {
        size_t back = 1 - i;
        sealock_buffer *bytes, *did, *asked;
        sealock_texts *assets;
        MUST(sealock_federated_ticket_request(ticket, i, &request, &error));
        MUST(sealock_request_to_bytes(request, &bytes, &error));
        MUST(sealock_request_from_bytes(sealock_buffer_data(bytes), sealock_buffer_length(bytes), &read, &error));
        MUST(sealock_federated_ticket_job(ticket, i, job, sizeof job, &error));
        MUST(sealock_request_job(read, other, sizeof other, &error));
        CHECK(memcmp(job, other, sizeof job) == 0);
        MUST(sealock_request_parties(read, &assets, &error));
        MUST(sealock_texts_count(assets, &count, &error));
        CHECK(count == 2);
        for (size_t j = 0; j < count; j++) {
            MUST(sealock_texts_get(assets, j, &asked, &error));
            MUST(sealock_asset_did(parties[j].asset, &did, &error));
            CHECK(says(asked, sealock_buffer_text(did)));
            sealock_buffer_free(did);
        }
        // The results may come in any order.
        MUST(sealock_node_run(parties[i].node, read, NULL, &results[back], &receipts[back], &error));
        sealock_texts_free(assets);
        sealock_request_free(read);
        sealock_buffer_free(bytes);
        sealock_request_free(request);
    }
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_federated_ticket_request(ticket, 2, &request, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_federated_ticket_job(ticket, 2, job, sizeof job, &error));

    // All results open, and some of them do not; nor does one with the receipt of another.
    sealock_answer *answer;
    const sealock_result *all[] = {results[0], results[1]}, *same[] = {results[0], results[0]};
    const sealock_receipt *signed_[] = {receipts[0], receipts[1]}, *swapped[] = {receipts[1], receipts[0]};
    for (size_t i = 0; i < COUNT(parties); i++)
        FAILS(SEALOCK_ERROR_INVALID_ARGUMENT,
              sealock_federated_ticket_open(ticket, all + i, signed_ + i, 1, &answer, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_federated_ticket_open(ticket, NULL, NULL, 0, &answer, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_federated_ticket_open(ticket, same, signed_, 2, &answer, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_federated_ticket_open(ticket, all, swapped, 2, &answer, &error));
    CHECK(answer == NULL);
    MUST(sealock_federated_ticket_open(ticket, all, signed_, 2, &answer, &error));
    check_answer(answer);
    sealock_answer_free(answer);

    // The wallet has the ticket, too, among its own kind alone; until a part is forgotten.
    sealock_federated_tickets *tickets;
    sealock_federated_ticket *kept;
    sealock_tickets *singles;
    CHECK(tickets_in_wallet(consumer) == 1);
    MUST(sealock_consumer_tickets(consumer, &singles, &error));
    MUST(sealock_tickets_count(singles, &count, &error));
    CHECK(count == 0);
    sealock_tickets_free(singles);
    MUST(sealock_consumer_federated_tickets(consumer, &tickets, &error));
    MUST(sealock_federated_tickets_get(tickets, 0, &kept, &error));
    sealock_federated_tickets_free(tickets);
    MUST(sealock_federated_ticket_open(kept, all, signed_, 2, &answer, &error));
    check_answer(answer);
    sealock_answer_free(answer);
    MUST(sealock_federated_ticket_job(kept, 1, job, sizeof job, &error));
    MUST(sealock_federated_ticket_job(ticket, 1, other, sizeof other, &error));
    CHECK(memcmp(job, other, sizeof job) == 0);
    MUST(sealock_consumer_forget(consumer, job, sizeof job, &error));
    CHECK(tickets_in_wallet(consumer) == 0);

    sealock_federated_ticket_free(kept);
    sealock_federated_ticket_free(ticket);
    sealock_query_free(query);
    for (size_t i = 0; i < COUNT(parties); i++) {
        sealock_receipt_free(receipts[i]);
        sealock_result_free(results[i]);
        sealock_order_free(parties[i].order);
        sealock_asset_free(parties[i].asset);
        sealock_buffer_free(parties[i].member);
        sealock_node_free(parties[i].node);
        sealock_owner_free(parties[i].owner);
        sealock_account_free(parties[i].account);
    }
    sealock_policy_free(policy);
    sealock_terms_free(terms);
    sealock_schema_free(schema);
    sealock_consumer_free(consumer);
    sealock_account_free(account);
    sealock_exchange_free(exchange);
    return failures("federation");
}
