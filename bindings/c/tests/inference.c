// Private inference: an owner with a model, and a consumer whose vectors the owner never sees.

#include <math.h>

#include "check.h"

static sealock_schema *features(void) {
    sealock_column *columns[2];
    sealock_schema *schema;
    MUST(sealock_column_decimal("radius", 2, "0", "30", &columns[0], &error));
    MUST(sealock_column_integer("age", 0, 120, &columns[1], &error));
    MUST(sealock_schema_new((const sealock_column *const *)columns, COUNT(columns), &schema, &error));
    for (size_t i = 0; i < COUNT(columns); i++) sealock_column_free(columns[i]);
    return schema;
}

static double score_of(const sealock_prediction *prediction, size_t vector, size_t score) {
    double out;
    MUST(sealock_prediction_score(prediction, vector, score, &out, &error));
    return out;
}

static int same_exactly(const sealock_prediction *left, const sealock_prediction *right, size_t vector, size_t score) {
    sealock_buffer *one, *two;
    uint8_t scale, other;
    MUST(sealock_prediction_exact(left, vector, score, &one, &scale, &error));
    MUST(sealock_prediction_exact(right, vector, score, &two, &other, &error));
    int same = scale == other && strcmp(sealock_buffer_text(one), sealock_buffer_text(two)) == 0;
    sealock_buffer_free(one);
    sealock_buffer_free(two);
    return same;
}

int main(void) {
    sealock_exchange *exchange;
    sealock_account *clinic, *practice;
    sealock_owner *owner;
    sealock_node *node;
    sealock_consumer *consumer;
    sealock_policy *policy;
    sealock_terms *terms;
    sealock_model *model, *again;
    sealock_offer *offer;
    sealock_published *published;
    sealock_asset *asset;
    sealock_order *order;
    MUST(sealock_exchange_in_memory(&exchange, &error));
    MUST(sealock_account_generate(&clinic, &error));
    MUST(sealock_account_generate(&practice, &error));
    MUST(sealock_exchange_owner(exchange, clinic, &owner, &error));
    MUST(sealock_owner_node(owner, &node, &error));
    MUST(sealock_exchange_consumer(exchange, practice, &consumer, &error));

    // The owner makes a model of its numbers, and publishes it.
    sealock_schema *schema = features();
    const double weights[] = {0.5, -0.25, -0.75, 0.125, 0.0, 0.0}, intercepts[] = {-4.0, 1.5, 0.0};
    MUST(sealock_model_new(SEALOCK_MODEL_MULTINOMIAL, schema, LIST("a", "b", "c"), weights, 6, intercepts, 3, 32,
                           SEALOCK_MODEL_FINEST, &model, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT,
          sealock_model_new(SEALOCK_MODEL_MULTINOMIAL, schema, LIST("a", "b", "c"), weights, 5, intercepts, 3, 32,
                            SEALOCK_MODEL_FINEST, &again, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT,
          sealock_model_new(SEALOCK_MODEL_LOGISTIC, schema, LIST("a", "b", "c"), weights, 2, intercepts, 1, 32,
                            SEALOCK_MODEL_FINEST, &again, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT,
          sealock_model_new(9, schema, LIST("y"), weights, 2, intercepts, 1, 32, SEALOCK_MODEL_FINEST, &again, &error));
    sealock_buffer *bytes;
    uint8_t digest[SEALOCK_DIGEST_BYTES], other[SEALOCK_DIGEST_BYTES];
    MUST(sealock_model_to_bytes(model, &bytes, &error));
    MUST(sealock_model_from_bytes(sealock_buffer_data(bytes), sealock_buffer_length(bytes), &again, &error));
    MUST(sealock_model_digest(model, digest, sizeof digest, &error));
    MUST(sealock_model_digest(again, other, sizeof other, &error));
    CHECK(memcmp(digest, other, sizeof digest) == 0);
    sealock_buffer_free(bytes);
    sealock_model_free(again);
    MUST(sealock_policy_deny_all(&policy, &error));
    MUST(sealock_policy_allow_inference(policy, 3, &error));
    MUST(sealock_terms_free_of_charge(5, &terms, &error));
    MUST(sealock_offer_new_model("A model", model, policy, terms, &offer, &error));
    MUST(sealock_owner_publish(owner, offer, NULL, &published, &error));
    MUST(sealock_published_asset(published, &asset, &error));

    // What it will cost.
    sealock_estimate estimate = {.struct_size = sizeof estimate};
    MUST(sealock_asset_estimate_inference(asset, 3, &estimate, &error));
    CHECK(estimate.groups == 3 && estimate.numbers == 3 && estimate.hidden_cells == 9 && !estimate.has_epsilon);
    CHECK(estimate.uses_per_order > 0 && estimate.compute_seconds > 0);
    FAILS(SEALOCK_ERROR_POLICY_DENIED, sealock_asset_estimate_inference(asset, 4, &estimate, &error));

    // A consumer has three vectors scored.
    const double values[] = {12.34, 50, 0.0, 0, 30.0, 120};
    sealock_inference_ticket *ticket;
    sealock_request *request;
    sealock_result *result;
    sealock_receipt *receipt;
    sealock_prediction *prediction, *plain;
    MUST(sealock_consumer_buy(consumer, asset, 1, &error));
    MUST(sealock_consumer_order(consumer, asset, &order, &error));
    MUST(sealock_order_infer(order, values, COUNT(values), 0, NULL, &ticket, &error));
    MUST(sealock_inference_ticket_renew(ticket, &error));
    MUST(sealock_inference_ticket_request(ticket, &request, &error));
    MUST(sealock_request_to_bytes(request, &bytes, &error));
    MUST(sealock_asset_estimate_inference(asset, 3, &estimate, &error));
    CHECK(sealock_buffer_length(bytes) == estimate.request_bytes);
    sealock_buffer_free(bytes);
    MUST(sealock_node_run(node, request, NULL, &result, &receipt, &error));
    MUST(sealock_result_to_bytes(result, &bytes, &error));
    CHECK(sealock_buffer_length(bytes) == estimate.result_bytes);
    sealock_buffer_free(bytes);
    MUST(sealock_inference_ticket_open(ticket, result, receipt, &prediction, &error));
    MUST(sealock_model_predict(model, values, COUNT(values), 0, &plain, &error));

    size_t vectors, scores, class_index;
    int32_t kind;
    double bound, sum, probability;
    MUST(sealock_prediction_size(prediction, &vectors, &scores, &error));
    MUST(sealock_prediction_kind(prediction, &kind, &error));
    CHECK(vectors == 3 && scores == 3 && kind == SEALOCK_MODEL_MULTINOMIAL);
    for (size_t vector = 0; vector < vectors; vector++) {
        size_t best = 0;
        sum = 0;
        for (size_t score = 0; score < scores; score++) {
            const double *w = &weights[2 * score], *x = &values[2 * vector];
            double exact = w[0] * x[0] + w[1] * x[1] + intercepts[score];
            MUST(sealock_model_error_bound(model, score, &bound, &error));
            CHECK(fabs(score_of(prediction, vector, score) - exact) <= bound && bound < 1);
            CHECK(same_exactly(prediction, plain, vector, score));
            if (score_of(prediction, vector, score) > score_of(prediction, vector, best)) best = score;
            MUST(sealock_prediction_probability(prediction, vector, score, &probability, &error));
            sum += probability;
        }
        MUST(sealock_prediction_class(prediction, vector, &class_index, &error));
        CHECK(class_index == best && fabs(sum - 1) < 1e-12);
    }
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_prediction_score(prediction, 3, 0, &sum, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_prediction_score(prediction, 0, 3, &sum, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_prediction_probability(prediction, 0, 3, &sum, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_prediction_class(prediction, 3, &class_index, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_model_error_bound(model, 3, &bound, &error));

    // The wallet has the ticket, too.
    sealock_inference_tickets *tickets;
    sealock_inference_ticket *kept;
    size_t count;
    MUST(sealock_consumer_inference_tickets(consumer, &tickets, &error));
    MUST(sealock_inference_tickets_count(tickets, &count, &error));
    CHECK(count == 1);
    MUST(sealock_inference_tickets_get(tickets, 0, &kept, &error));
    MUST(sealock_inference_ticket_job(ticket, digest, sizeof digest, &error));
    MUST(sealock_inference_ticket_job(kept, other, sizeof other, &error));
    CHECK(memcmp(digest, other, sizeof digest) == 0);
    sealock_inference_tickets_free(tickets);
    sealock_inference_ticket_free(kept);

    // What the model and the policy do not allow.
    const double wrong[] = {30.01, 50}, nan[] = {NAN, 50}, many[8] = {0};
    FAILS(SEALOCK_ERROR_OUT_OF_DOMAIN, sealock_order_infer(order, wrong, 2, 0, NULL, &kept, &error));
    FAILS(SEALOCK_ERROR_OUT_OF_DOMAIN, sealock_order_infer(order, nan, 2, 1, NULL, &kept, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_order_infer(order, wrong, 1, 1, NULL, &kept, &error));
    FAILS(SEALOCK_ERROR_POLICY_DENIED, sealock_order_infer(order, many, COUNT(many), 0, NULL, &kept, &error));
    MUST(sealock_order_infer_use(order, wrong, 2, 1, 1, &kept, &error));
    sealock_inference_ticket_free(kept);
    sealock_query *query;
    sealock_ticket *none;
    MUST(sealock_query_new(&query, &error));
    MUST(sealock_query_count(query, &error));
    FAILS(SEALOCK_ERROR_INVALID_PROGRAM, sealock_order_request(order, query, NULL, &none, &error));
    sealock_query_free(query);

    // The owner replaces its model. The order is good for the new one, which the consumer has to look up.
    sealock_published *replaced;
    sealock_asset *present;
    sealock_order *found;
    sealock_orders *orders;
    MUST(sealock_model_new(SEALOCK_MODEL_LINEAR, schema, LIST("y"), weights, 2, intercepts, 1, 32, 6, &again, &error));
    MUST(sealock_owner_update_model(owner, asset, again, NULL, 0, 0, &replaced, &error));
    FAILS(SEALOCK_ERROR_POLICY_DENIED, sealock_order_infer(order, values, 2, 0, NULL, &kept, &error));
    MUST(sealock_published_asset(replaced, &present, &error));
    MUST(sealock_consumer_orders(consumer, present, &orders, &error));
    MUST(sealock_orders_get(orders, 0, &found, &error));
    MUST(sealock_order_infer(found, values, 2, 0, NULL, &kept, &error));
    sealock_inference_ticket_free(kept);
    sealock_orders_free(orders);
    sealock_order_free(found);
    sealock_asset_free(present);
    sealock_published_free(replaced);
    sealock_model_free(again);

    sealock_prediction_free(plain);
    sealock_prediction_free(prediction);
    sealock_receipt_free(receipt);
    sealock_result_free(result);
    sealock_request_free(request);
    sealock_inference_ticket_free(ticket);
    sealock_order_free(order);
    sealock_asset_free(asset);
    sealock_published_free(published);
    sealock_offer_free(offer);
    sealock_terms_free(terms);
    sealock_policy_free(policy);
    sealock_model_free(model);
    sealock_schema_free(schema);
    sealock_consumer_free(consumer);
    sealock_node_free(node);
    sealock_owner_free(owner);
    sealock_account_free(practice);
    sealock_account_free(clinic);
    sealock_exchange_free(exchange);
    return failures("inference");
}
