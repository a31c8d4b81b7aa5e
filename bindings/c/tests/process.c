// What the library does to its process: nothing on the standard error, and no call that hangs after a fork. And nodes, each
// with grants of its own.

#define _POSIX_C_SOURCE 200809L

#include <sys/wait.h>
#include <unistd.h>

#include "market.h"

static int logged;

static void receive(void *user, int32_t level, const char *target, const char *message) {
    (void)user, (void)message;
    logged += level == SEALOCK_LOG_ERROR && strncmp(target, "sealock", 7) == 0;
}

// Reads Parquet with every byte wrong in turn. Some make the reader panic.
static void damaged(const struct market *m) {
    sealock_buffer *buffer;
    MUST(sealock_table_to_parquet(m->table, &buffer, &error));
    size_t length = sealock_buffer_length(buffer);
    uint8_t *bytes = malloc(length);
    if (!bytes) exit(1);
    for (size_t i = 0; i < length; i++) {
        memcpy(bytes, sealock_buffer_data(buffer), length);
        bytes[i] ^= 0xff;
        sealock_table *table;
        sealock_status status = sealock_table_from_parquet(m->schema, bytes, length, 0, &table, NULL);
        CHECK(status != SEALOCK_ERROR_INTERNAL);
        sealock_table_free(table);
    }
    free(bytes);
    sealock_buffer_free(buffer);
}

static void silent(const struct market *m) {
    FILE *file = tmpfile();
    if (!CHECK(file != NULL)) return;
    fflush(stderr);
    int kept = dup(2);
    dup2(fileno(file), 2);
    damaged(m);
    dup2(kept, 2);
    close(kept);
    CHECK(lseek(fileno(file), 0, SEEK_END) == 0);
    fclose(file);
    MUST(sealock_log_set(receive, NULL, SEALOCK_LOG_ERROR, &error));
    damaged(m);
    MUST(sealock_log_set(NULL, NULL, SEALOCK_LOG_OFF, &error));
    CHECK(logged > 0);
}

static void in_a_child(struct market *m) {
    sealock_buffer *buffer;
    MUST(sealock_asset_did(m->asset, &buffer, &error));
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        failed = 0;
        sealock_published *published;
        sealock_exchange *exchange;
        sealock_error *error;
        FAILS(SEALOCK_ERROR_LOCKED, sealock_owner_publish(m->owner, m->offer, NULL, &published, &error));
        FAILS(SEALOCK_ERROR_LOCKED, sealock_exchange_in_memory(&exchange, &error));
        CHECK(sealock_exchange_in_memory(&exchange, &error) == SEALOCK_ERROR_LOCKED && sealock_error_hint(error));
        CHECK(sealock_error_free(error) == SEALOCK_OK);
        CHECK(sealock_buffer_length(buffer) > 0 && sealock_buffer_text(buffer)[0] == 'd');
        CHECK(sealock_buffer_free(buffer) == SEALOCK_OK);
        close_market(m);
        _exit(failed != 0);
    }
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    CHECK(sealock_buffer_free(buffer) == SEALOCK_OK);
}

static void grants(const struct market *m, const struct market *other) {
    sealock_query *query = people_query(0);
    sealock_ticket *ticket;
    sealock_request *request;
    sealock_grant *grant;
    sealock_computed *computed;
    sealock_result *result;
    sealock_receipt *receipt;
    MUST(sealock_order_request(m->order, query, NULL, &ticket, &error));
    MUST(sealock_ticket_request(ticket, &request, &error));
    MUST(sealock_node_admit(m->node, request, &grant, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_node_compute(other->node, grant, &computed, &error));
    MUST(sealock_node_compute(m->node, grant, &computed, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_node_release(other->node, computed, &result, &receipt, &error));
    MUST(sealock_node_release(m->node, computed, &result, &receipt, &error));
    sealock_computed *spent = computed;
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_node_compute(m->node, grant, &computed, &error));
    sealock_grant_free(grant);
    sealock_computed_free(spent);
    sealock_result_free(result);
    sealock_receipt_free(receipt);
    sealock_request_free(request);
    sealock_ticket_free(ticket);
    sealock_query_free(query);
}

// Doubling a filter ends where no program takes it.
static void doubled(void) {
    sealock_filter *filter, *twice;
    MUST(sealock_filter_is_null("age", &filter, &error));
    for (int i = 0; i < 64; i++) {
        MUST(sealock_filter_and(filter, filter, &twice, &error));
        sealock_filter_free(filter);
        filter = twice;
    }
    sealock_filter_free(filter);
}

int main(void) {
    sealock_exchange *exchange;
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_exchange_local("", &exchange, &error));
    struct market m = open_market(NULL), other = open_market(NULL);
    silent(&m);
    in_a_child(&m);
    grants(&m, &other);
    doubled();
    close_market(&other);
    close_market(&m);
    return failures("process");
}
