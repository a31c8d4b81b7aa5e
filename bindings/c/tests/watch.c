// Long work is watched and cancelled, logs go where they are sent, Arrow data is taken over once.

#include "market.h"

// ---------------------------------------------------------------------------------------------- progress and cancelling

struct watcher {
    int calls, stop_at;
    char first[32], last[32];
    sealock_cancel *cancel; // set at the call `stop_at` instead of asking to stop
};

static int32_t watching(void *user, const sealock_step *step) {
    struct watcher *watcher = user;
    CHECK(step->struct_size == sizeof *step);
    CHECK(step->total == SEALOCK_UNKNOWN || step->done <= step->total);
    // Nobody knows how long the rest of something will take whose end is not known.
    CHECK(step->remaining == SEALOCK_UNKNOWN || step->total != SEALOCK_UNKNOWN);
    snprintf(watcher->calls == 0 ? watcher->first : watcher->last, sizeof watcher->last, "%s", step->stage);
    watcher->calls++;
    if (watcher->calls != watcher->stop_at) return 0;
    if (watcher->cancel) MUST(sealock_cancel_request(watcher->cancel, &error));
    return watcher->cancel == NULL;
}

enum work { PUBLISH, REQUEST, RUN };

// Does one kind of long work, and puts out what it made.
static sealock_status work(enum work what, struct market *m, const sealock_watch *watch, sealock_error **error) {
    sealock_published *published = NULL;
    sealock_ticket *ticket = NULL;
    sealock_request *request = NULL;
    sealock_result *result = NULL;
    sealock_receipt *receipt = NULL;
    sealock_query *query = people_query(0);
    sealock_status status;
    switch (what) {
        case PUBLISH: status = sealock_owner_publish(m->owner, m->offer, watch, &published, error); break;
        case REQUEST: status = sealock_order_request(m->order, query, watch, &ticket, error); break;
        default: {
            sealock_error *none = NULL;
            CHECK(sealock_order_request(m->order, query, NULL, &ticket, &none) == SEALOCK_OK);
            CHECK(sealock_ticket_request(ticket, &request, &none) == SEALOCK_OK);
            status = sealock_node_run(m->node, request, watch, &result, &receipt, error);
        }
    }
    CHECK((status == SEALOCK_OK) == (published || result || (what == REQUEST && ticket)));
    sealock_published_free(published);
    sealock_ticket_free(ticket);
    sealock_request_free(request);
    sealock_result_free(result);
    sealock_receipt_free(receipt);
    sealock_query_free(query);
    return status;
}

static void all_long_work_is_told_and_cancelled(void) {
    struct market m = open_market(NULL);
    for (enum work what = PUBLISH; what <= RUN; what++) {
        struct watcher watcher = {0};
        sealock_watch watch = {.struct_size = sizeof watch, .progress = watching, .user = &watcher};
        MUST(work(what, &m, &watch, &error));
        CHECK(watcher.calls >= 2 && watcher.first[0] && watcher.last[0]);
        printf("  %d steps, from %s to %s\n", watcher.calls, watcher.first, watcher.last);

        // By what the callback returns.
        watcher = (struct watcher){.stop_at = 1};
        FAILS(SEALOCK_ERROR_CANCELLED, work(what, &m, &watch, &error));
        CHECK(watcher.calls == 1);

        // By a flag that is set in between, and by one that was set before.
        watcher = (struct watcher){.stop_at = 1};
        MUST(sealock_cancel_new(&watcher.cancel, &error));
        watch.cancel = watcher.cancel;
        FAILS(SEALOCK_ERROR_CANCELLED, work(what, &m, &watch, &error));
        CHECK(watcher.calls == 2);
        sealock_watch flag = {.struct_size = sizeof flag, .cancel = watcher.cancel};
        FAILS(SEALOCK_ERROR_CANCELLED, work(what, &m, &flag, &error));
        CHECK(sealock_cancel_free(watcher.cancel) == SEALOCK_OK);
        FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, work(what, &m, &flag, &error));

        // The handles are as good as before.
        MUST(work(what, &m, NULL, &error));
    }
    // Nothing was half done: what was cancelled is not for sale.
    sealock_assets *assets;
    size_t count;
    MUST(sealock_exchange_assets(m.exchange, &assets, &error));
    MUST(sealock_assets_count(assets, &count, &error));
    CHECK(count == 3);
    sealock_assets_free(assets);
    close_market(&m);
}

// --------------------------------------------------------------------------------------------------------------- logging

struct heard {
    int warnings, others;
    char text[512];
};

static void hear(void *user, int32_t level, const char *target, const char *message) {
    struct heard *heard = user;
    CHECK(strncmp(target, "sealock", 7) == 0);
    if (level == SEALOCK_LOG_WARN && strstr(message, "rejected")) {
        heard->warnings++;
        snprintf(heard->text, sizeof heard->text, "%s", message);
    } else {
        heard->others++;
    }
}

static void logs_go_where_they_are_sent(void) {
    struct market m = open_market(NULL);
    struct heard heard = {0};
    sealock_grant *grant;
    MUST(sealock_log_set(hear, &heard, SEALOCK_LOG_WARN, &error));
    FAILS(SEALOCK_ERROR_REJECTED, sealock_node_admit_bytes(m.node, (const uint8_t *)"?", 1, &grant, &error));
    CHECK(heard.warnings == 1 && strstr(heard.text, "job request") != NULL);
    MUST(sealock_log_set(NULL, NULL, SEALOCK_LOG_WARN, &error));
    FAILS(SEALOCK_ERROR_REJECTED, sealock_node_admit_bytes(m.node, (const uint8_t *)"?", 1, &grant, &error));
    MUST(sealock_log_set(hear, &heard, SEALOCK_LOG_ERROR, &error));
    FAILS(SEALOCK_ERROR_REJECTED, sealock_node_admit_bytes(m.node, (const uint8_t *)"?", 1, &grant, &error));
    CHECK(heard.warnings == 1);
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_log_set(hear, &heard, 6, &error));
    MUST(sealock_log_set(NULL, NULL, SEALOCK_LOG_OFF, &error));
    close_market(&m);
}

// ---------------------------------------------------------------------------------------------------------------- Arrow

static int released;

static void release_stream(struct ArrowArrayStream *stream) {
    released++;
    stream->release = NULL;
}

static int no_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
    (void)stream, (void)out;
    return 22;
}

static int no_batch(struct ArrowArrayStream *stream, struct ArrowArray *out) {
    (void)stream, (void)out;
    return 5;
}

static const char *no_reason(struct ArrowArrayStream *stream) {
    (void)stream;
    return NULL;
}

static void arrow_data_is_taken_over_once(void) {
    sealock_schema *schema = people_schema(), *inferred;
    sealock_table *table, *copy, *none;
    struct ArrowArrayStream stream;
    size_t rows;
    MUST(sealock_table_from_csv(schema, (const uint8_t *)PEOPLE, strlen(PEOPLE), 0, &table, &error));
    MUST(sealock_table_to_arrow_stream(table, &stream, &error));
    MUST(sealock_table_from_arrow_stream(schema, &stream, 0, &copy, &error));
    CHECK(stream.release == NULL);
    MUST(sealock_table_rows(copy, &rows, &error));
    CHECK(rows == 8);
    FAILS(SEALOCK_ERROR_MALFORMED, sealock_table_from_arrow_stream(schema, &stream, 0, &none, &error));
    sealock_table_free(copy);

    // One batch of the stream, as an array.
    struct ArrowSchema arrow_schema;
    struct ArrowArray array;
    MUST(sealock_table_to_arrow_stream(table, &stream, &error));
    CHECK(stream.get_schema(&stream, &arrow_schema) == 0 && stream.get_next(&stream, &array) == 0);
    stream.release(&stream);
    MUST(sealock_table_from_arrow_array(schema, &arrow_schema, &array, 0, &copy, &error));
    CHECK(arrow_schema.release == NULL && array.release == NULL);
    sealock_table_free(copy);
    MUST(sealock_table_to_arrow_stream(table, &stream, &error));
    MUST(sealock_schema_infer_arrow(&stream, &inferred, &error));
    sealock_schema_free(inferred);

    // Taken over, released once, and never after: whatever else is wrong with the call or with the stream.
    struct ArrowArrayStream bad = {.get_schema = no_schema, .get_next = no_batch, .get_last_error = no_reason};
    const sealock_schema *schemas[] = {schema, NULL, (const sealock_schema *)table};
    for (size_t i = 0; i < COUNT(schemas); i++) {
        sealock_error *error;
        bad.release = release_stream;
        CHECK(sealock_table_from_arrow_stream(schemas[i], &bad, 0, &none, &error) != SEALOCK_OK);
        CHECK(released == (int)i + 1 && bad.release == NULL);
        sealock_error_free(error);
    }
    bad.release = release_stream;
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_table_from_arrow_stream(schema, &bad, 0, NULL, &error));
    CHECK(released == 4 && bad.release == NULL);
    bad = (struct ArrowArrayStream){.release = release_stream};
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_schema_infer_arrow(&bad, &inferred, &error));
    CHECK(released == 5 && bad.release == NULL);
    sealock_table_free(table);
    sealock_schema_free(schema);
}

// A grant and a computed job are used once.
static void each_step_is_taken_once(void) {
    struct market m = open_market(NULL);
    sealock_query *query = people_query(40);
    sealock_ticket *ticket;
    sealock_request *request;
    sealock_grant *grant;
    sealock_computed *computed, *no_job;
    sealock_result *result;
    sealock_receipt *receipt;
    MUST(sealock_order_request(m.order, query, NULL, &ticket, &error));
    MUST(sealock_ticket_request(ticket, &request, &error));
    MUST(sealock_node_admit(m.node, request, &grant, &error));
    MUST(sealock_node_compute(m.node, grant, &computed, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_node_compute(m.node, grant, &no_job, &error));
    // The same job cannot be computed beside.
    sealock_grant *again;
    MUST(sealock_node_admit(m.node, request, &again, &error));
    FAILS(SEALOCK_ERROR_LOCKED, sealock_node_compute(m.node, again, &no_job, &error));
    MUST(sealock_node_release(m.node, computed, &result, &receipt, &error));
    sealock_result *none;
    sealock_receipt *no_receipt;
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_node_release(m.node, computed, &none, &no_receipt, &error));
    sealock_grant_free(again);
    sealock_receipt_free(receipt);
    sealock_result_free(result);
    sealock_computed_free(computed);
    sealock_grant_free(grant);
    sealock_request_free(request);
    sealock_ticket_free(ticket);
    sealock_query_free(query);
    close_market(&m);
}

int main(void) {
    all_long_work_is_told_and_cancelled();
    logs_go_where_they_are_sent();
    arrow_data_is_taken_over_once();
    each_step_is_taken_once();
    return failures("watch");
}
