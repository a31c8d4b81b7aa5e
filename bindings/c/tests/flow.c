// The roles talk to each other: what an owner and a consumer say and hear, step by step.

#define _XOPEN_SOURCE 700
#include <math.h>

#include "folder.h"
#include "market.h"

static int same(sealock_buffer *left, sealock_buffer *right) {
    size_t length = sealock_buffer_length(left);
    return length == sealock_buffer_length(right) &&
           memcmp(sealock_buffer_data(left), sealock_buffer_data(right), length) == 0;
}

// The answer of `people_query(0)`: everybody, by plan. One of the five who pay has no number of visits.
static void check_answer(const sealock_answer *answer) {
    size_t rows, columns;
    double number;
    int32_t present;
    uint8_t scale;
    sealock_buffer *text, *sum, *over;
    MUST(sealock_answer_rows(answer, &rows, &error));
    MUST(sealock_answer_columns(answer, &columns, &error));
    CHECK(rows == 2 && columns == 3);
    const char *const names[] = {"plan", "mean(visits)", "count"};
    for (size_t i = 0; i < columns; i++) {
        MUST(sealock_answer_column_name(answer, i, &text, &error));
        CHECK(says(text, names[i]));
    }
    MUST(sealock_answer_group(answer, "plan", 1, &text, &error));
    CHECK(says(text, "paid"));
    MUST(sealock_answer_double(answer, "mean(visits)", 1, &number, &present, &error));
    CHECK(present && number == 22.0 / 4.0);
    MUST(sealock_answer_double(answer, "count", 1, &number, &present, &error));
    CHECK(present && number == 5.0);
    MUST(sealock_answer_exact(answer, "mean(visits)", 1, &sum, &scale, &over, &error));
    CHECK(says(sum, "22") && says(over, "4") && scale == 0);
    MUST(sealock_answer_exact(answer, "count", 0, &sum, &scale, &over, &error));
    CHECK(says(sum, "3") && over == NULL);
    FAILS(SEALOCK_ERROR_UNKNOWN_COLUMN, sealock_answer_double(answer, "sum(visits)", 0, &number, &present, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_answer_double(answer, "count", 2, &number, &present, &error));

    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    struct ArrowArray batch, end;
    MUST(sealock_answer_to_arrow_stream(answer, &stream, &error));
    CHECK(stream.get_schema(&stream, &schema) == 0 && schema.n_children == 3);
    CHECK(strcmp(schema.children[1]->format, "g") == 0 && strcmp(schema.children[2]->format, "l") == 0);
    CHECK(stream.get_next(&stream, &batch) == 0 && batch.length == 2);
    CHECK(((const double *)batch.children[1]->buffers[1])[1] == 5.5);
    CHECK(((const int64_t *)batch.children[2]->buffers[1])[1] == 5);
    CHECK(stream.get_next(&stream, &end) == 0 && end.release == NULL);
    batch.release(&batch);
    schema.release(&schema);
    stream.release(&stream);
}

// Noise is foretold, charged, and refused when the budget is spent.
static void a_budget_is_spent(void) {
    struct market m = open_market(NULL);
    sealock_query *query = people_query(0);
    sealock_published *published;
    sealock_asset *asset;
    sealock_order *order;
    sealock_receipt *receipt;
    sealock_result *result;
    sealock_request *request;
    sealock_ticket *ticket;

    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_policy_epsilon(m.policy, "0", &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_policy_delta(m.policy, "1", &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_policy_clamp(m.policy, "visits", "few", "9", &error));
    MUST(sealock_policy_epsilon(m.policy, "0.5", &error));
    MUST(sealock_policy_epsilon_per_order(m.policy, "100", &error));
    MUST(sealock_policy_epsilon_per_asset(m.policy, "0.75", &error));
    MUST(sealock_policy_clamp(m.policy, "visits", "0", "10", &error));
    sealock_offer *offer;
    MUST(sealock_offer_new("noisy people", m.table, m.policy, m.terms, &offer, &error));
    MUST(sealock_owner_publish(m.owner, offer, NULL, &published, &error));
    MUST(sealock_published_asset(published, &asset, &error));

    sealock_estimate estimate = {.struct_size = sizeof estimate};
    MUST(sealock_asset_estimate(asset, query, &estimate, &error));
    CHECK(estimate.has_epsilon && estimate.epsilon == 0.5 && !estimate.has_delta);
    CHECK(estimate.has_epsilon_limit && estimate.epsilon_limit == 0.75);
    sealock_number_errors *errors;
    size_t count;
    MUST(sealock_asset_number_errors(asset, query, &errors, &error));
    MUST(sealock_number_errors_count(errors, &count, &error));
    CHECK(count == estimate.numbers);
    sealock_buffer *name;
    sealock_number_error one = {.struct_size = sizeof one};
    MUST(sealock_number_errors_get(errors, 0, &name, &one, &error));
    CHECK(strcmp(sealock_buffer_text(name), "count") == 0);
    CHECK(one.cells == estimate.hidden_cells && one.cell_deviation > 0 && one.half_width > one.deviation);
    sealock_buffer_free(name);
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_number_errors_get(errors, count, &name, &one, &error));
    sealock_number_errors_free(errors);

    sealock_budget budget = {.struct_size = sizeof budget};
    MUST(sealock_node_budget(m.node, asset, &budget, &error));
    CHECK(budget.spent_micros == 0 && budget.has_limit && budget.limit_micros == 750000);
    MUST(sealock_consumer_buy(m.consumer, asset, 1, &error));
    MUST(sealock_consumer_order(m.consumer, asset, &order, &error));
    for (int job = 0; job < 2; job++) {
        MUST(sealock_order_request(order, query, NULL, &ticket, &error));
        MUST(sealock_ticket_request(ticket, &request, &error));
        if (job == 0) {
            sealock_statement said = {.struct_size = sizeof said};
            MUST(sealock_node_run(m.node, request, NULL, &result, &receipt, &error));
            MUST(sealock_receipt_statement(receipt, &said, &error));
            CHECK(said.has_epsilon && said.epsilon_micros == 500000);
            sealock_result_free(result);
            sealock_receipt_free(receipt);
        } else {
            FAILS(SEALOCK_ERROR_REJECTED, sealock_node_run(m.node, request, NULL, &result, &receipt, &error));
        }
        sealock_request_free(request);
        sealock_ticket_free(ticket);
    }
    MUST(sealock_node_budget(m.node, asset, &budget, &error));
    CHECK(budget.spent_micros == 500000);

    sealock_order_free(order);
    sealock_asset_free(asset);
    sealock_published_free(published);
    sealock_offer_free(offer);
    sealock_query_free(query);
    close_market(&m);
}

// Owner and consumer share nothing but bytes.
static void everything_travels_as_bytes(void) {
    struct market m = open_market(NULL);
    sealock_query *query = people_query(0);
    sealock_buffer *sent, *returned, *signed_, *again;
    sealock_ticket *ticket;
    sealock_request *request, *read;
    sealock_result *result, *result_read;
    sealock_receipt *receipt, *receipt_read;
    sealock_answer *answer;

    sealock_estimate estimate = {.struct_size = sizeof estimate};
    MUST(sealock_asset_estimate(m.asset, query, &estimate, &error));
    CHECK(estimate.groups == 2 && estimate.numbers == 3 && estimate.hidden_cells == 2 && !estimate.has_epsilon);
    CHECK(estimate.uses_per_order == 20 && estimate.compute_seconds > 0);

    MUST(sealock_order_request(m.order, query, NULL, &ticket, &error));
    MUST(sealock_ticket_request(ticket, &request, &error));
    MUST(sealock_request_to_bytes(request, &sent, &error));
    CHECK(sealock_buffer_text(sent) == NULL);
    CHECK(sealock_buffer_length(sent) == estimate.request_bytes);
    MUST(sealock_request_from_bytes(sealock_buffer_data(sent), sealock_buffer_length(sent), &read, &error));
    MUST(sealock_request_to_bytes(read, &again, &error));
    CHECK(same(sent, again));
    sealock_buffer_free(again);

    uint8_t job[3][SEALOCK_DIGEST_BYTES];
    MUST(sealock_ticket_job(ticket, job[0], sizeof job[0], &error));
    MUST(sealock_request_job(read, job[1], sizeof job[1], &error));
    sealock_job record = {.struct_size = sizeof record};
    MUST(sealock_node_job(m.node, job[0], sizeof job[0], &record, &error));
    CHECK(record.state == SEALOCK_JOB_UNKNOWN);
    MUST(sealock_node_run(m.node, read, NULL, &result, &receipt, &error));
    MUST(sealock_node_job(m.node, job[0], sizeof job[0], &record, &error));
    CHECK(record.state == SEALOCK_JOB_COMPLETE && record.receipt == 0 && record.admitted_at > 1600000000);

    MUST(sealock_result_to_bytes(result, &returned, &error));
    CHECK(sealock_buffer_length(returned) == estimate.result_bytes);
    MUST(sealock_receipt_to_bytes(receipt, &signed_, &error));
    MUST(sealock_result_from_bytes(sealock_buffer_data(returned), sealock_buffer_length(returned), &result_read, &error));
    MUST(sealock_receipt_from_bytes(sealock_buffer_data(signed_), sealock_buffer_length(signed_), &receipt_read, &error));
    MUST(sealock_result_job(result_read, job[2], sizeof job[2], &error));
    CHECK(memcmp(job[0], job[1], sizeof job[0]) == 0 && memcmp(job[0], job[2], sizeof job[0]) == 0);
    MUST(sealock_ticket_open(ticket, result_read, receipt_read, &answer, &error));
    check_answer(answer);

    // What the receipt says is what was done.
    uint8_t owner[SEALOCK_ADDRESS_BYTES], digest[SEALOCK_DIGEST_BYTES];
    sealock_program *program;
    sealock_statement said = {.struct_size = sizeof said};
    MUST(sealock_asset_owner(m.asset, owner, sizeof owner, &error));
    MUST(sealock_receipt_verify(receipt_read, owner, sizeof owner, &error));
    MUST(sealock_receipt_statement(receipt_read, &said, &error));
    CHECK(memcmp(said.job, job[0], sizeof said.job) == 0 && said.number == 0 && !said.has_epsilon);
    MUST(sealock_query_program(query, &program, &error));
    MUST(sealock_program_digest(program, digest, sizeof digest, &error));
    CHECK(memcmp(said.program, digest, sizeof digest) == 0 && memcmp(record.program, digest, sizeof digest) == 0);
    MUST(sealock_policy_digest(m.policy, digest, sizeof digest, &error));
    CHECK(memcmp(said.policy, digest, sizeof digest) == 0);
    MUST(sealock_result_digest(result, digest, sizeof digest, &error));
    CHECK(memcmp(said.result, digest, sizeof digest) == 0);
    CHECK(memcmp(said.nullifier, record.nullifier, sizeof said.nullifier) == 0);
    const sealock_receipt *chain[] = {receipt, receipt};
    MUST(sealock_verify_chain(owner, sizeof owner, chain, 1, &error));
    FAILS(SEALOCK_ERROR_BAD_SIGNATURE, sealock_verify_chain(owner, sizeof owner, chain, 2, &error));
    owner[0] ^= 1;
    FAILS(SEALOCK_ERROR_BAD_SIGNATURE, sealock_receipt_verify(receipt_read, owner, sizeof owner, &error));

    // A changed byte is found, wherever it is.
    uint8_t *bad = malloc(sealock_buffer_length(returned));
    memcpy(bad, sealock_buffer_data(returned), sealock_buffer_length(returned));
    bad[sealock_buffer_length(returned) - 1] ^= 1;
    sealock_result *changed;
    sealock_answer *none;
    MUST(sealock_result_from_bytes(bad, sealock_buffer_length(returned), &changed, &error));
    FAILS(SEALOCK_ERROR_BAD_SIGNATURE, sealock_ticket_open(ticket, changed, receipt, &none, &error));
    CHECK(none == NULL);
    sealock_result_free(changed);
    FAILS(SEALOCK_ERROR_MALFORMED, sealock_result_from_bytes(bad, sealock_buffer_length(returned) - 1, &changed, &error));
    free(bad);

    sealock_program_free(program);
    sealock_answer_free(answer);
    sealock_receipt_free(receipt_read);
    sealock_result_free(result_read);
    sealock_buffer_free(signed_);
    sealock_buffer_free(returned);
    sealock_receipt_free(receipt);
    sealock_result_free(result);
    sealock_request_free(read);
    sealock_buffer_free(sent);
    sealock_request_free(request);
    sealock_ticket_free(ticket);
    sealock_query_free(query);
    close_market(&m);
}

// A consumer whose program ended finds orders and tickets again; an owner's node completes what it had admitted.
static void a_restart_loses_nothing(void) {
    char folder[] = "/tmp/sealock-flow-XXXXXX";
    make_folder(folder);
    struct market m = open_market(folder);
    uint8_t secrets[2][SEALOCK_SECRET_BYTES], nft[SEALOCK_ADDRESS_BYTES], job[SEALOCK_DIGEST_BYTES];
    MUST(sealock_account_expose_secret(m.owner_account, secrets[0], sizeof secrets[0], &error));
    MUST(sealock_account_expose_secret(m.consumer_account, secrets[1], sizeof secrets[1], &error));
    MUST(sealock_asset_nft(m.asset, nft, sizeof nft, &error));
    sealock_query *query = people_query(0);
    sealock_ticket *ticket;
    sealock_request *request;
    sealock_grant *grant;
    MUST(sealock_order_request(m.order, query, NULL, &ticket, &error));
    MUST(sealock_ticket_job(ticket, job, sizeof job, &error));
    MUST(sealock_ticket_request(ticket, &request, &error));
    MUST(sealock_node_admit(m.node, request, &grant, &error));
    sealock_exchange *second;
    FAILS(SEALOCK_ERROR_LOCKED, sealock_exchange_local(folder, &second, &error));
    sealock_grant_free(grant);
    sealock_request_free(request);
    sealock_ticket_free(ticket);
    close_market(&m);

    sealock_exchange *exchange;
    sealock_account *account;
    sealock_owner *owner;
    sealock_node *node;
    sealock_consumer *consumer;
    sealock_asset *asset;
    size_t count;
    MUST(sealock_exchange_local(folder, &exchange, &error));
    MUST(sealock_account_from_secret(secrets[0], sizeof secrets[0], &account, &error));
    MUST(sealock_exchange_owner(exchange, account, &owner, &error));
    sealock_account_free(account);
    MUST(sealock_owner_node(owner, &node, &error));
    sealock_job record = {.struct_size = sizeof record};
    MUST(sealock_node_job(node, job, sizeof job, &record, &error));
    CHECK(record.state == SEALOCK_JOB_ADMITTED);
    MUST(sealock_node_resume(node, &count, &error));
    CHECK(count == 1);

    MUST(sealock_account_from_secret(secrets[1], sizeof secrets[1], &account, &error));
    MUST(sealock_exchange_consumer(exchange, account, &consumer, &error));
    sealock_consumer *twice;
    FAILS(SEALOCK_ERROR_LOCKED, sealock_exchange_consumer(exchange, account, &twice, &error));
    sealock_account_free(account);
    MUST(sealock_exchange_asset(exchange, nft, sizeof nft, &asset, &error));
    sealock_orders *orders;
    sealock_order *order;
    uint64_t uses;
    MUST(sealock_consumer_orders(consumer, asset, &orders, &error));
    MUST(sealock_orders_count(orders, &count, &error));
    CHECK(count == 1);
    MUST(sealock_orders_get(orders, 0, &order, &error));
    sealock_orders_free(orders);
    MUST(sealock_order_uses_left(order, &uses, &error));
    CHECK(uses == 19);

    sealock_tickets *tickets;
    MUST(sealock_consumer_tickets(consumer, &tickets, &error));
    MUST(sealock_tickets_count(tickets, &count, &error));
    CHECK(count == 1);
    MUST(sealock_tickets_get(tickets, 0, &ticket, &error));
    sealock_tickets_free(tickets);
    MUST(sealock_ticket_renew(ticket, &error));
    sealock_result *result;
    sealock_receipt *receipt;
    sealock_answer *answer;
    MUST(sealock_ticket_request(ticket, &request, &error));
    MUST(sealock_node_run(node, request, NULL, &result, &receipt, &error));
    MUST(sealock_ticket_open(ticket, result, receipt, &answer, &error));
    check_answer(answer);
    MUST(sealock_consumer_forget(consumer, job, sizeof job, &error));
    MUST(sealock_consumer_tickets(consumer, &tickets, &error));
    MUST(sealock_tickets_count(tickets, &count, &error));
    CHECK(count == 0);

    sealock_tickets_free(tickets);
    sealock_answer_free(answer);
    sealock_receipt_free(receipt);
    sealock_result_free(result);
    sealock_request_free(request);
    sealock_ticket_free(ticket);
    sealock_order_free(order);
    sealock_asset_free(asset);
    sealock_consumer_free(consumer);
    sealock_node_free(node);
    sealock_owner_free(owner);
    sealock_exchange_free(exchange);
    sealock_query_free(query);
    remove_folder(folder);
}

// What an asset shows, and what money does.
static void a_sale(void) {
    sealock_exchange *exchange;
    sealock_account *market, *person, *stranger;
    uint8_t gold[SEALOCK_ADDRESS_BYTES], zero[SEALOCK_ADDRESS_BYTES] = {0}, address[SEALOCK_ADDRESS_BYTES];
    sealock_buffer *text;
    MUST(sealock_exchange_in_memory(&exchange, &error));
    MUST(sealock_account_generate(&market, &error));
    MUST(sealock_account_generate(&person, &error));
    MUST(sealock_account_generate(&stranger, &error));
    MUST(sealock_ledger_deploy_token(exchange, market, "Gold", "GLD", "100", gold, sizeof gold, &error));
    MUST(sealock_account_address(person, address, sizeof address, &error));
    MUST(sealock_ledger_mint(exchange, market, gold, sizeof gold, address, sizeof address, "3.5", &error));
    FAILS(SEALOCK_ERROR_NOT_AUTHORIZED,
          sealock_ledger_mint(exchange, person, gold, sizeof gold, address, sizeof address, "1", &error));
    FAILS(SEALOCK_ERROR_CAP_EXCEEDED,
          sealock_ledger_mint(exchange, market, gold, sizeof gold, address, sizeof address, "97", &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT,
          sealock_ledger_mint(exchange, market, gold, sizeof gold, address, sizeof address, "-1", &error));

    struct market m = {.exchange = exchange};
    sealock_owner *owner;
    sealock_consumer *consumer;
    m.schema = people_schema();
    m.policy = people_policy();
    MUST(sealock_exchange_owner(exchange, stranger, &owner, &error));
    MUST(sealock_table_from_csv(m.schema, (const uint8_t *)PEOPLE, strlen(PEOPLE), 0, &m.table, &error));
    MUST(sealock_terms_fixed(gold, sizeof gold, "1.5", &m.terms, &error));
    MUST(sealock_offer_new("Sold people", m.table, m.policy, m.terms, &m.offer, &error));
    MUST(sealock_offer_cap(m.offer, 2, &error));
    MUST(sealock_owner_publish(owner, m.offer, NULL, &m.published, &error));
    MUST(sealock_published_asset(m.published, &m.asset, &error));

    int32_t kind;
    uint8_t token[SEALOCK_ADDRESS_BYTES];
    MUST(sealock_asset_price(m.asset, &kind, token, sizeof token, &text, &error));
    CHECK(kind == SEALOCK_PRICE_FIXED && memcmp(token, gold, sizeof gold) == 0 && says(text, "1.5"));
    MUST(sealock_asset_name(m.asset, &text, &error));
    CHECK(says(text, "Sold people"));
    uint64_t limit, validity;
    MUST(sealock_asset_order_terms(m.asset, &limit, &validity, &error));
    CHECK(limit == 10 && validity == 30 * 86400);

    // The asset as bytes is the same asset.
    sealock_buffer *bytes;
    sealock_asset *copy;
    MUST(sealock_asset_to_bytes(m.asset, &bytes, &error));
    MUST(sealock_asset_from_bytes(sealock_buffer_data(bytes), sealock_buffer_length(bytes), &copy, &error));
    MUST(sealock_asset_price(copy, &kind, token, sizeof token, &text, &error));
    CHECK(kind == SEALOCK_PRICE_FIXED && says(text, "1.5"));
    sealock_buffer_free(bytes);

    MUST(sealock_exchange_consumer(exchange, person, &consumer, &error));
    sealock_order *order;
    FAILS(SEALOCK_ERROR_INSUFFICIENT_BALANCE, sealock_consumer_order(consumer, m.asset, &order, &error));
    MUST(sealock_consumer_buy(consumer, copy, 1, &error));
    FAILS(SEALOCK_ERROR_INSUFFICIENT_BALANCE, sealock_consumer_buy(consumer, m.asset, 2, &error));
    MUST(sealock_consumer_order(consumer, m.asset, &order, &error));
    MUST(sealock_ledger_balance_of(exchange, gold, sizeof gold, address, sizeof address, &text, &error));
    CHECK(says(text, "2"));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT,
          sealock_ledger_transfer(exchange, person, gold, sizeof gold, zero, sizeof zero, "1", &error));
    MUST(sealock_owner_address(owner, token, sizeof token, &error));
    MUST(sealock_ledger_transfer(exchange, person, gold, sizeof gold, token, sizeof token, "1", &error));
    FAILS(SEALOCK_ERROR_INSUFFICIENT_BALANCE, sealock_consumer_buy(consumer, m.asset, 1, &error));

    sealock_asset_free(copy);
    sealock_order_free(order);
    sealock_consumer_free(consumer);
    sealock_owner_free(owner);
    sealock_asset_free(m.asset);
    sealock_published_free(m.published);
    sealock_offer_free(m.offer);
    sealock_terms_free(m.terms);
    sealock_policy_free(m.policy);
    sealock_table_free(m.table);
    sealock_schema_free(m.schema);
    sealock_account_free(stranger);
    sealock_account_free(person);
    sealock_account_free(market);
    sealock_exchange_free(exchange);
}

// A schema is proposed, corrected and written down.
static void a_schema_is_corrected(void) {
    sealock_schema *proposed, *corrected, *read, *short_;
    sealock_column *age;
    sealock_buffer *json, *bytes, *text;
    MUST(sealock_schema_infer_csv((const uint8_t *)PEOPLE, strlen(PEOPLE), &proposed, &error));
    MUST(sealock_column_integer("age", 0, 120, &age, &error));
    MUST(sealock_schema_with_column(proposed, age, &corrected, &error));
    MUST(sealock_schema_to_json(corrected, &json, &error));
    CHECK(strstr(sealock_buffer_text(json), "120") != NULL);
    MUST(sealock_schema_from_json(sealock_buffer_data(json), sealock_buffer_length(json), &read, &error));
    uint8_t digests[2][SEALOCK_DIGEST_BYTES];
    MUST(sealock_schema_digest(corrected, digests[0], sizeof digests[0], &error));
    MUST(sealock_schema_digest(read, digests[1], sizeof digests[1], &error));
    CHECK(memcmp(digests[0], digests[1], sizeof digests[0]) == 0);
    sealock_schema_free(read);
    MUST(sealock_schema_to_bytes(corrected, &bytes, &error));
    MUST(sealock_schema_from_bytes(sealock_buffer_data(bytes), sealock_buffer_length(bytes), &read, &error));
    size_t count;
    MUST(sealock_schema_without_column(read, "visits", &short_, &error));
    MUST(sealock_schema_count(short_, &count, &error));
    CHECK(count == 2);
    MUST(sealock_schema_column_name(short_, 1, &text, &error));
    CHECK(says(text, "age"));
    sealock_schema *none;
    FAILS(SEALOCK_ERROR_UNKNOWN_COLUMN, sealock_schema_without_column(read, "vists", &none, &error));

    // Data that the schema does not allow is told by column; a column that it does not name has to be dropped by name.
    sealock_table *table;
    FAILS(SEALOCK_ERROR_SCHEMA_MISMATCH,
          sealock_table_from_csv(short_, (const uint8_t *)PEOPLE, strlen(PEOPLE), 0, &table, &error));
    MUST(sealock_table_from_csv(short_, (const uint8_t *)PEOPLE, strlen(PEOPLE), 1, &table, &error));
    sealock_buffer *parquet;
    sealock_table *back;
    MUST(sealock_table_to_parquet(table, &parquet, &error));
    MUST(sealock_table_from_parquet(short_, sealock_buffer_data(parquet), sealock_buffer_length(parquet), 0, &back, &error));
    MUST(sealock_table_rows(back, &count, &error));
    CHECK(count == 8);
    sealock_table_free(table);
    FAILS(SEALOCK_ERROR_IO, sealock_table_from_csv_file(short_, "/nowhere.csv", 0, &table, &error));
    CHECK(table == NULL);

    sealock_table_free(back);
    sealock_buffer_free(parquet);
    sealock_schema_free(short_);
    sealock_schema_free(read);
    sealock_buffer_free(bytes);
    sealock_buffer_free(json);
    sealock_column_free(age);
    sealock_schema_free(corrected);
    sealock_schema_free(proposed);
}

// An owner sees the orders of an asset, and takes one back. Uses can be counted in epochs.
static void orders_over_time(void) {
    struct market m = open_market(NULL);
    sealock_order_records *records;
    sealock_order_record record = {.struct_size = sizeof record};
    sealock_revocation revoked = {.struct_size = sizeof revoked}, seen = {.struct_size = sizeof seen};
    uint8_t consumer[SEALOCK_ADDRESS_BYTES];
    uint64_t expiry, seconds;
    size_t count;
    int32_t present = 7;
    MUST(sealock_owner_orders(m.owner, m.asset, &records, &error));
    MUST(sealock_order_records_count(records, &count, &error));
    MUST(sealock_order_records_get(records, 0, &record, &error));
    MUST(sealock_account_address(m.consumer_account, consumer, sizeof consumer, &error));
    MUST(sealock_order_expiry(m.order, &expiry, &error));
    CHECK(count == 1 && record.index == 0 && record.service == 0 && record.uses == 20 && record.revoked_from == 0);
    CHECK(record.expiry == expiry && record.ordered < expiry && memcmp(record.consumer, consumer, sizeof consumer) == 0);
    sealock_order_record none = {.struct_size = sizeof none};
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_order_records_get(records, 1, &none, &error));
    sealock_order_records_free(records);
    MUST(sealock_order_revocation(m.order, &present, &seen, &error));
    CHECK(present == 0 && seen.effective == 0 && seen.struct_size == sizeof seen);

    const uint64_t bad_times[] = {60, record.expiry + 3600, UINT64_MAX};
    for (size_t i = 0; i < COUNT(bad_times); i++) {
        FAILS(SEALOCK_ERROR_INVALID_ARGUMENT,
              sealock_owner_revoke_order(m.owner, m.asset, &record, bad_times[i], 1, &revoked, &error));
        revoked.struct_size = sizeof revoked;
    }
    sealock_order_record others[3] = {record, record, record};
    others[0].index = 1;
    others[1].service = 1;
    others[2].commitment[5] ^= 1;
    for (size_t i = 0; i < COUNT(others); i++) {
        FAILS(SEALOCK_ERROR_ORDER_MISMATCH,
              sealock_owner_revoke_order(m.owner, m.asset, &others[i], 0, 1, &revoked, &error));
        revoked.struct_size = sizeof revoked;
    }
    MUST(sealock_owner_revoke_order(m.owner, m.asset, &record, 0, 1, &revoked, &error));
    CHECK(revoked.refunded && revoked.effective % 60 == 0);
    CHECK(revoked.effective >= revoked.announced + 300 && revoked.effective <= revoked.announced + 361);
    MUST(sealock_order_revocation(m.order, &present, &seen, &error));
    CHECK(present == 1 && seen.effective == revoked.effective && seen.refunded && seen.announced == revoked.announced);
    FAILS(SEALOCK_ERROR_ORDER_REVOKED, sealock_owner_revoke_order(m.owner, m.asset, &record, 0, 1, &seen, &error));
    MUST(sealock_owner_orders(m.owner, m.asset, &records, &error));
    record.struct_size = sizeof record;
    MUST(sealock_order_records_get(records, 0, &record, &error));
    CHECK(record.revoked_from == revoked.effective && record.refunded);
    sealock_order_records_free(records);

    MUST(sealock_asset_renewed_every(m.asset, &seconds, &error));
    CHECK(seconds == 0);
    sealock_published *published;
    sealock_asset *daily;
    sealock_offer *offer;
    MUST(sealock_terms_renewed_every(m.terms, 61, &error));
    MUST(sealock_offer_new("Daily", m.table, m.policy, m.terms, &offer, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_owner_publish(m.owner, offer, NULL, &published, &error));
    sealock_offer_free(offer);
    MUST(sealock_terms_renewed_every(m.terms, 86400, &error));
    MUST(sealock_offer_new("Daily", m.table, m.policy, m.terms, &offer, &error));
    MUST(sealock_owner_publish(m.owner, offer, NULL, &published, &error));
    MUST(sealock_published_asset(published, &daily, &error));
    MUST(sealock_asset_renewed_every(daily, &seconds, &error));
    CHECK(seconds == 86400);
    sealock_asset_free(daily);
    sealock_published_free(published);
    sealock_offer_free(offer);
    close_market(&m);
}

// A query in SQL is the one that is put together.
static void a_query_in_sql(void) {
    sealock_query *query = people_query(40), *written, *none;
    sealock_program *program;
    sealock_buffer *text;
    uint8_t digest[2][SEALOCK_DIGEST_BYTES];
    MUST(sealock_query_from_sql("SELECT plan, avg(visits), count(*) FROM people WHERE age >= SECRET(40) GROUP BY plan", &written,
                                &error));
    MUST(sealock_query_program(query, &program, &error));
    MUST(sealock_program_digest(program, digest[0], sizeof digest[0], &error));
    sealock_program_free(program);
    MUST(sealock_query_program(written, &program, &error));
    MUST(sealock_program_digest(program, digest[1], sizeof digest[1], &error));
    CHECK(memcmp(digest[0], digest[1], sizeof digest[0]) == 0);
    MUST(sealock_program_to_sql(program, &text, &error));
    CHECK(says(text, "SELECT plan, avg(visits), count(*) FROM asset WHERE age >= SECRET(?) GROUP BY plan"));
    sealock_program_free(program);

    // What is put together goes on from there.
    MUST(sealock_query_sum(written, "visits", &error));
    MUST(sealock_query_program(written, &program, &error));
    MUST(sealock_program_to_sql(program, &text, &error));
    CHECK(says(text, "SELECT plan, avg(visits), count(*), sum(visits) FROM asset WHERE age >= SECRET(?) GROUP BY plan"));
    sealock_program_free(program);

    FAILS(SEALOCK_ERROR_UNSUPPORTED_PROGRAM,
          sealock_query_from_sql("SELECT count(*) FROM people ORDER BY plan", &none, &error));
    FAILS(SEALOCK_ERROR_INVALID_PROGRAM,
          sealock_query_from_sql("SELECT count(*) FROM people WHERE age = SECRET(4711 4711)", &none, &error));
    CHECK(none == NULL);
    sealock_error *why = NULL;
    CHECK(sealock_query_from_sql("SELECT count(*) FROM people\nWHERE age = SECRET(4711 4711)", &none, &why) ==
          SEALOCK_ERROR_INVALID_PROGRAM);
    CHECK(strstr(sealock_error_message(why), "line 2, column 25") != NULL);
    CHECK(strstr(sealock_error_message(why), "4711") == NULL);
    sealock_error_free(why);

    // Its answers are those of the other.
    struct market m = open_market(NULL);
    sealock_ticket *ticket;
    sealock_request *request;
    sealock_result *result;
    sealock_receipt *receipt;
    sealock_answer *answer;
    sealock_query_free(written);
    MUST(sealock_query_from_sql("SELECT plan, avg(visits), count(*) FROM people WHERE SECRET(0) <= age GROUP BY plan", &written,
                                &error));
    MUST(sealock_order_request(m.order, written, NULL, &ticket, &error));
    MUST(sealock_ticket_request(ticket, &request, &error));
    MUST(sealock_node_run(m.node, request, NULL, &result, &receipt, &error));
    MUST(sealock_ticket_open(ticket, result, receipt, &answer, &error));
    check_answer(answer);
    sealock_answer_free(answer);
    sealock_receipt_free(receipt);
    sealock_result_free(result);
    sealock_request_free(request);
    sealock_ticket_free(ticket);
    sealock_query_free(written);
    sealock_query_free(query);
    close_market(&m);
}

// Variances, bins and arithmetic, of the five who paid: aged 18, 30, 34, 66 and 67, with 2, 4, no, 7 and 9 visits.
static void every_aggregate(void) {
    struct market m = open_market(NULL);
    sealock_query *query;
    sealock_ticket *ticket;
    sealock_request *request;
    sealock_result *result;
    sealock_receipt *receipt;
    sealock_answer *answer;
    sealock_buffer *label, *first, *last, *exact;
    double number;
    int32_t present;
    size_t bin;
    uint64_t rows;
    uint8_t scale;
    MUST(sealock_query_new(&query, &error));
    MUST(sealock_query_variance(query, "visits", &error));
    MUST(sealock_query_var_pop(query, "visits", &error));
    MUST(sealock_query_stddev(query, "visits", &error));
    MUST(sealock_query_stddev_pop(query, "visits", &error));
    MUST(sealock_query_histogram(query, "age", &error));
    MUST(sealock_query_min(query, "age", &error));
    MUST(sealock_query_max(query, "age", &error));
    MUST(sealock_query_quantile(query, "age", 0.5, &error));
    MUST(sealock_query_quantile(query, "age", 0.9, &error));
    MUST(sealock_query_select(query, "2 * avg(visits) + 1 AS twice", &error));
    MUST(sealock_query_select(query, "count(*) / (count(*) - count(*))", &error));
    FAILS(SEALOCK_ERROR_INVALID_PROGRAM, sealock_query_select(query, "plan", &error));
    MUST(sealock_query_group_by(query, LIST("plan"), &error));
    MUST(sealock_order_request(m.order, query, NULL, &ticket, &error));
    MUST(sealock_ticket_request(ticket, &request, &error));
    MUST(sealock_node_run(m.node, request, NULL, &result, &receipt, &error));
    MUST(sealock_ticket_open(ticket, result, receipt, &answer, &error));

    const struct {
        const char *name;
        double square;
    } spreads[] = {{"stddev(visits)", 116.0 / 12}, {"stddev_pop(visits)", 7.25}};
    MUST(sealock_answer_double(answer, "variance(visits)", 1, &number, &present, &error));
    CHECK(present && number == 116.0 / 12);
    MUST(sealock_answer_double(answer, "var_pop(visits)", 1, &number, &present, &error));
    CHECK(present && number == 7.25);
    for (size_t i = 0; i < COUNT(spreads); i++) {
        MUST(sealock_answer_double(answer, spreads[i].name, 1, &number, &present, &error));
        CHECK(present && number * number > spreads[i].square - 1e-12 && number * number < spreads[i].square + 1e-12);
    }
    MUST(sealock_answer_double(answer, "twice", 1, &number, &present, &error));
    CHECK(present && number == 12.0);
    MUST(sealock_answer_double(answer, "count / (count - count)", 1, &number, &present, &error));
    CHECK(!present);

    MUST(sealock_answer_bins(answer, "histogram(age)", &bin, &error));
    CHECK(bin == 2);
    MUST(sealock_answer_bin_count(answer, "histogram(age)", 1, 0, &rows, &error));
    CHECK(rows == 3);
    MUST(sealock_answer_bin_count(answer, "histogram(age)", 1, 1, &rows, &error));
    CHECK(rows == 2);
    MUST(sealock_answer_bin_label(answer, "histogram(age)", 0, &label, &first, &last, &error));
    CHECK(says(label, "[0, 40)") && says(first, "0") && says(last, "39"));
    MUST(sealock_answer_bin(answer, "min(age)", 1, &bin, &present, &error));
    CHECK(present && bin == 0);
    MUST(sealock_answer_bin(answer, "max(age)", 1, &bin, &present, &error));
    CHECK(present && bin == 1);
    MUST(sealock_answer_bin(answer, "median(age)", 1, &bin, &present, &error));
    CHECK(present && bin == 0);
    MUST(sealock_answer_bin(answer, "quantile(age, 0.9)", 1, &bin, &present, &error));
    CHECK(present && bin == 1);
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_answer_bin_count(answer, "histogram(age)", 1, 2, &rows, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_answer_bin_count(answer, "min(age)", 1, 0, &rows, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_answer_bin(answer, "histogram(age)", 1, &bin, &present, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_answer_bins(answer, "twice", &bin, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT,
          sealock_answer_exact(answer, "variance(visits)", 1, &exact, &scale, &label, &error));

    sealock_answer_free(answer);
    sealock_receipt_free(receipt);
    sealock_result_free(result);
    sealock_request_free(request);
    sealock_ticket_free(ticket);
    sealock_query_free(query);
    close_market(&m);
}

int main(void) {
    everything_travels_as_bytes();
    a_budget_is_spent();
    a_restart_loses_nothing();
    a_sale();
    orders_over_time();
    a_schema_is_corrected();
    a_query_in_sql();
    every_aggregate();
    return failures("flow");
}
