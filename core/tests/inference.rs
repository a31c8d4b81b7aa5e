//! Private inference as a dialogue between the parties, and what each of them cannot do.

use std::cell::RefCell;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use sealock::asset::{Column, Price, Schema, Terms, Value};
use sealock::job::JobRequest;
use sealock::model::{Inference, Model, ModelError, ModelInfo, ModelKind, Precision, Prediction, Vectors};
use sealock::order::{InferenceTicket, Order};
use sealock::owner::{NewEpoch, Offer, Owner};
use sealock::policy::Policy;
use sealock::program::{Aggregation, Query, count};
use sealock::receipt::{Receipt, verify_chain};
use sealock::release::SealedResult;
use sealock::time::ManualClock;
use sealock::{Account, Asset, Error, ErrorKind, Exchange};
use serde_json::to_value;

#[path = "support/market.rs"]
mod market;

use market::{Market, START};

fn features() -> Schema {
    Schema::new(vec![
        Column::decimal("radius", 2, 0, 3000),
        Column::decimal("texture", 3, -9_000, 50_000),
        Column::integer("age", 18, 120),
    ])
    .unwrap()
}

fn logistic() -> Model {
    Model::logistic(features(), ["benign", "malignant"], &[0.81, -0.0123, 0.004], -11.25, Precision::default()).unwrap()
}

/// One owner with one model.
struct Clinic {
    exchange: Exchange,
    clock: Arc<ManualClock>,
    owner: Owner,
    asset: Asset,
}

fn offer(model: &Model, policy: Policy, uses: u64) -> Offer<'_> {
    Offer::model("a model", model, policy, Terms::free(100).uses_per_order(uses).valid_for(3600))
}

impl Clinic {
    fn with(model: &Model, policy: Policy, uses: u64) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let exchange = Exchange::in_memory_at(clock.clone()).unwrap();
        let owner = exchange.owner(Account::generate()).unwrap();
        let asset = owner.publish(&offer(model, policy, uses)).unwrap().asset;
        Self { exchange, clock, owner, asset }
    }

    /// The same parties with another model.
    fn offers(self, model: &Model, policy: Policy, uses: u64) -> Self {
        let asset = self.owner.publish(&offer(model, policy, uses)).unwrap().asset;
        Self { asset, ..self }
    }

    fn open() -> Self {
        Self::with(&logistic(), Policy::deny_all().allow_inference(4), 3)
    }

    fn order(&self) -> Order {
        let consumer = self.exchange.consumer(Account::generate()).unwrap();
        consumer.buy(&self.asset, 1).unwrap();
        consumer.order(&self.asset).unwrap()
    }

    fn ask(&self, ticket: &InferenceTicket) -> Result<Prediction, Error> {
        let (result, receipt) = self.owner.node().run(ticket.request().clone())?;
        ticket.open(&result, &receipt)
    }

    fn assert_rejected(&self, request: JobRequest, expected: ErrorKind) -> String {
        let error = self.owner.node().run(request).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Rejected, "rejected"));
        let refusal = self.owner.node().refusals().pop().unwrap();
        assert_eq!(refusal.kind, expected, "{}", refusal.reason);
        refusal.reason
    }
}

fn request(json: &serde_json::Value) -> JobRequest {
    serde_json::from_value(json.clone()).unwrap()
}

#[test]
fn a_hidden_vector_gets_the_score_of_the_model_in_the_clear() {
    let clinic = Clinic::open();
    let order = clinic.order();
    let values = [17.99, 10.38, 54.0, 9.5, 12.44, 33.0];
    let vectors = clinic.asset.vectors(&values).unwrap();
    let ticket = order.infer(&vectors).unwrap();
    // As it travels.
    let node = clinic.owner.node();
    let grant = node.admit_bytes(&ticket.request().to_bytes().unwrap()).unwrap();
    let (result, receipt) = node.release(node.compute(grant).unwrap()).unwrap();
    let result = SealedResult::from_bytes(&result.to_bytes().unwrap()).unwrap();
    let receipt = Receipt::from_bytes(&receipt.to_bytes().unwrap()).unwrap();
    let prediction = ticket.open(&result, &receipt).unwrap();
    assert_eq!(prediction, logistic().predict(&vectors).unwrap());
    let exact = |v: &[f64]| 0.81 * v[0] - 0.0123 * v[1] + 0.004 * v[2] - 11.25;
    for (score, vector) in prediction.to_f64().iter().zip(values.chunks(3)) {
        assert!((score - exact(vector)).abs() <= logistic().error_bound()[0]);
    }
    assert_eq!(prediction.labels().unwrap(), [&Value::from("malignant"), &Value::from("benign")]);
    // The receipt names the program, which tells how many vectors there were.
    let said = receipt.statement();
    assert_eq!((said.program, said.data), (Inference::of(2).unwrap().digest().unwrap(), clinic.asset.data()));
    verify_chain(clinic.owner.address(), &node.receipts().unwrap()).unwrap();
    assert_eq!(order.uses_left().unwrap(), 2, "several vectors are one use");
}

#[test]
fn an_estimate_is_what_the_request_and_the_result_turn_out_to_be() {
    let clinic = Clinic::with(&logistic(), Policy::deny_all().allow_inference(200), 3);
    let order = clinic.order();
    for count in [1, 2, 150] {
        let estimate = clinic.asset.estimate_inference(count).unwrap();
        let values = [17.99, 10.38, 54.0].repeat(count as usize);
        let ticket = order.infer(&clinic.asset.vectors(&values).unwrap()).unwrap();
        let (result, _) = clinic.owner.node().run(ticket.request().clone()).unwrap();
        assert_eq!(estimate.request_bytes, ticket.request().to_bytes().unwrap().len() as u64);
        assert_eq!(estimate.result_bytes, result.to_bytes().unwrap().len() as u64);
        assert!(!estimate.compute_time.is_zero());
        let sizes = (estimate.groups, estimate.numbers, estimate.hidden_cells);
        assert_eq!(sizes, (count.into(), 1, 4 * u64::from(count)), "three features and a constant");
        assert_eq!((estimate.price, estimate.uses_per_order), (Some(Price::Free { max_per_account: 100 }), 3));
        assert_eq!((estimate.epsilon, estimate.errors.len()), (None, 0));
    }
    // It fails as a request would.
    let kind = |vectors| clinic.asset.estimate_inference(vectors).unwrap_err().kind();
    let many = clinic.asset.vectors(&[17.99, 10.38, 54.0].repeat(201)).unwrap();
    assert_eq!(kind(201), order.infer(&many).unwrap_err().kind());
    assert_eq!((kind(201), kind(0)), (ErrorKind::PolicyDenied, ErrorKind::InvalidProgram));
    assert_eq!(Market::open().asset.estimate_inference(1).unwrap_err().kind(), ErrorKind::InvalidProgram);
    let boundless = Clinic::with(&logistic(), Policy::deny_all().allow_inference(u32::MAX), 1);
    assert_eq!(boundless.asset.estimate_inference(u32::MAX).unwrap_err().kind(), ErrorKind::Encryption);
}

#[test]
fn batches_of_every_kind_of_model_are_exact_across_ciphertexts_and_at_the_ends_of_ranges() {
    let columns = 30;
    let schema = || {
        let column = |i: i64| Column::decimal(format!("x{i}"), (i % 6) as u8, -1000 * i, 30_000 + i);
        Schema::new((0..columns).map(column).collect()).unwrap()
    };
    // Numbers without pattern.
    let mut state = 7u64;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut numbers = |count: usize, scale: f64| (0..count).map(|_| (next() - 0.5) * scale).collect::<Vec<_>>();
    let models = [
        Model::linear(schema(), ["a", "b"], &numbers(60, 1e4), &numbers(2, 1e7), Precision::bits(48)).unwrap(),
        Model::logistic(schema(), [false, true], &numbers(30, 2.0), 0.25, Precision::bits(20)).unwrap(),
        Model::multinomial(schema(), [1, 2, 3], &numbers(90, 1e-3), &numbers(3, 10.0), Precision::default()).unwrap(),
    ];
    for model in models {
        let clinic = Clinic::with(&model, Policy::deny_all().allow_inference(1000), 3);
        assert_eq!(clinic.asset.model(), Some(model.info()));
        let order = clinic.order();
        for count in [1, 140] {
            let mut values = numbers(columns as usize * count, 200_000.0);
            // The ends themselves.
            values[..columns as usize].fill(if count == 1 { 1e9 } else { -1e9 });
            let vectors = clinic.asset.vectors_clipped(&values).unwrap();
            let prediction = clinic.ask(&order.infer(&vectors).unwrap()).unwrap();
            assert_eq!(prediction.len(), count);
            assert_eq!(prediction, model.predict(&vectors).unwrap());
        }
    }
}

#[test]
fn any_model_scores_any_vectors_exactly() {
    let clinic = RefCell::new(Some(Clinic::open()));
    let column = (0u8..=4, -5_000i64..5_000, 0i64..9_000, -100.0..100.0f64);
    let any = (prop::collection::vec(column, 1..12), prop::collection::vec(-6e3..1.5e4f64, 1..30), 24u8..=62);
    let config = ProptestConfig { source_file: Some(file!()), ..ProptestConfig::with_cases(16) };
    type Columns = Vec<(u8, i64, i64, f64)>;
    let test = |(columns, values, bits): (Columns, Vec<f64>, u8)| {
        let schema = columns.iter().enumerate();
        let schema = schema.map(|(i, &(scale, min, span, _))| Column::decimal(format!("x{i}"), scale, min, min + span));
        let (schema, weights): (_, Vec<f64>) =
            (Schema::new(schema.collect()).unwrap(), columns.iter().map(|column| column.3).collect());
        let model = Model::linear(schema, ["y"], &weights, &[weights[0]], Precision::bits(bits)).unwrap();
        let parties = clinic.take().expect("the case before gave them back");
        let parties = parties.offers(&model, Policy::deny_all().allow_inference(64), 3);
        let whole = values.len().div_ceil(columns.len()) * columns.len();
        let values: Vec<f64> = values.into_iter().cycle().take(whole).collect();
        let vectors = parties.asset.vectors_clipped(&values).unwrap();
        let prediction = parties.ask(&parties.order().infer(&vectors).unwrap()).unwrap();
        clinic.replace(Some(parties));
        prop_assert_eq!(prediction, model.predict(&vectors).unwrap());
        Ok(())
    };
    TestRunner::new(config).run(&any, test).unwrap();
}

#[test]
fn what_is_published_tells_the_features_and_no_coefficient() {
    let clinic = Clinic::open();
    let text = String::from_utf8(clinic.asset.description().to_ddo_bytes().unwrap()).unwrap();
    let section: serde_json::Value = serde_json::from_str(&text).unwrap();
    let section = section.pointer("/services/0/additionalInformation/sealock").unwrap();
    let scale = logistic().info().scale;
    assert_eq!(
        section["model"],
        serde_json::json!({
            "kind": "logistic", "outputs": [{"text": "benign"}, {"text": "malignant"}], "scale": scale,
            "coefficientBits": 32,
        })
    );
    assert_eq!(section["maxRows"], 0);
    assert_eq!(*clinic.asset.schema(), features());
    assert_eq!(Asset::from_bytes(&clinic.asset.to_bytes().unwrap()).unwrap().model(), Some(logistic().info()));
    // Two models that differ in coefficients alone are described alike, but for what is encrypted.
    let other = Model::logistic(
        features(),
        ["benign", "malignant"],
        &[0.5, 0.1, -0.004],
        3.0,
        Precision::bits(32).scale(scale),
    );
    assert_eq!(other.unwrap().info(), logistic().info());
    // What names the asset's data covers the public part.
    let mut lying = clinic.asset.description().clone();
    lying.sealed.model = Some(ModelInfo { outputs: vec![1.into(), 2.into()], ..logistic().info().clone() });
    let mut json: serde_json::Value = serde_json::from_slice(&lying.to_ddo_bytes().unwrap()).unwrap();
    let nobodys = clinic.exchange.asset(clinic.asset.nft()).unwrap();
    assert_eq!(nobodys.data(), clinic.asset.data());
    let model = json.pointer_mut("/services/0/additionalInformation/sealock/model").unwrap();
    model["outputs"] = serde_json::json!([{"integer": 1}]);
    let error = sealock::asset::AssetDescription::from_ddo(&serde_json::to_vec(&json).unwrap()).unwrap_err();
    assert!(error.to_string().contains("sealock.model: expected 2 classes, got 1"), "{error}");
}

#[test]
fn the_request_carries_no_feature_in_the_clear() {
    let clinic = Clinic::open();
    let order = clinic.order();
    let ask = |values: [f64; 3]| {
        let ticket = order.infer_use(&clinic.asset.vectors(&values).unwrap(), 0).unwrap();
        ticket.request().to_bytes().unwrap()
    };
    let (first, second) = (ask([1.0, 2.0, 30.0]), ask([29.0, 49.0, 99.0]));
    assert_eq!(first.len(), second.len());
    assert_ne!(first, second);
}

/// The matrix's column and the right-hand side of a linear system, solved exactly over the integers by unit vectors.
fn extract(clinic: &Clinic, vectors: usize, orders: usize) -> Result<Vec<i128>, Error> {
    // A feature at a time, one unit above the lowest vector: differences of two scores are the coefficients.
    let lowest = [0.0, -9.0, 18.0];
    let steps = [0.01, 0.001, 1.0];
    let mut all = vec![lowest];
    for feature in 0..3 {
        let mut vector = lowest;
        vector[feature] += steps[feature];
        all.push(vector);
    }
    let mut scores = Vec::new();
    let orders: Vec<_> = (0..orders).map(|_| clinic.order()).collect();
    for (job, chunk) in all.chunks(vectors).enumerate() {
        let ticket = orders[job % orders.len()].infer(&clinic.asset.vectors(&chunk.concat())?)?;
        scores.extend_from_slice(clinic.ask(&ticket)?.scores());
    }
    let coefficients: Vec<i128> = scores[1..].iter().map(|score| score - scores[0]).collect();
    // What is left of the lowest vector's score is the intercept's part.
    let rest = scores[0] - coefficients[1] * -9_000 - coefficients[2] * 18;
    Ok([coefficients, vec![rest]].concat())
}

#[test]
fn one_vector_more_than_features_tells_the_model_and_the_quotas_stop_before() {
    let model = logistic();
    let unit = 10f64.powi(model.info().scale.into());
    let clinic = Clinic::with(&model, Policy::deny_all().allow_inference(4), 1);
    let stolen = extract(&clinic, 4, 1).unwrap();
    for (stolen, (weight, step)) in stolen.iter().zip([(0.81, 0.01), (-0.0123, 0.001), (0.004, 1.0), (-11.25, 1.0)]) {
        let got = *stolen as f64 / unit / step;
        assert!((got - weight).abs() <= 1e-6 * f64::abs(weight), "{got} is {weight}");
    }
    // The same vectors, when all jobs together may have fewer: over one order, over several, and in one job.
    let jobs = Clinic::with(&model, Policy::deny_all().allow_inference(1).max_jobs(3), 9);
    for orders in [1, 4] {
        assert_eq!(extract(&jobs, 1, orders).unwrap_err().kind(), ErrorKind::Rejected);
        assert!(jobs.owner.node().refusals().pop().unwrap().reason.contains("rule max_jobs"));
    }
    let terms = Clinic::with(&model, Policy::deny_all().allow_inference(1), 3);
    assert_eq!(extract(&terms, 1, 1).unwrap_err().kind(), ErrorKind::UseLimitReached);
    let batch = Clinic::with(&model, Policy::deny_all().allow_inference(3), 9);
    let error = extract(&batch, 4, 1).unwrap_err();
    assert_eq!(error.to_string(), "rule inference: 4 vectors were asked of one job, at most 3 are scored");
}

#[test]
fn more_vectors_than_the_policy_allows_are_refused_on_both_sides() {
    let clinic = Clinic::open();
    let order = clinic.order();
    let five = clinic.asset.vectors(&[1.0, 2.0, 30.0].repeat(5)).unwrap();
    assert_eq!(order.infer(&five).unwrap_err().kind(), ErrorKind::PolicyDenied);
    assert_eq!(order.uses_left().unwrap(), 3);
    let ticket = order.infer_without_policy_check(&five).unwrap();
    let reason = clinic.assert_rejected(ticket.request().clone(), ErrorKind::PolicyDenied);
    assert!(reason.contains("5 vectors were asked of one job, at most 4"), "{reason}");
    assert!(clinic.owner.node().receipts().unwrap().is_empty());
}

#[test]
fn a_table_scores_nothing_and_a_model_answers_no_query() {
    let clinic = Clinic::open();
    let market = Market::open();
    let (order, query) = (clinic.order(), Query::select([count()]));
    for error in [order.request(&query).unwrap_err(), clinic.asset.estimate(&query).unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::InvalidProgram);
        assert!(error.to_string().contains("the asset is a model, which does not answer a query"), "{error}");
    }
    assert!(matches!(market.asset.vectors(&[1.0]), Err(Error::Model(e)) if matches!(*e, ModelError::NoModel { .. })));
    let vectors = clinic.asset.vectors(&[1.0, 2.0, 30.0]).unwrap();
    assert_eq!(market.order().infer(&vectors).unwrap_err().kind(), ErrorKind::InvalidProgram);
    assert_eq!(order.uses_left().unwrap(), 3);

    // A consumer that does not keep to the library: it makes a request for a table that is described to it as a model.
    let node = |market: &Market| market.owner.node().refusals().pop().unwrap();
    let mut described = market.asset.description().clone();
    described.sealed.schema = features();
    described.sealed.max_rows = 0;
    described.sealed.model = Some(logistic().info().clone());
    let policy = Policy::deny_all().allow_inference(4);
    described.sealed.policy.rules = policy.to_json().unwrap();
    described.sealed.policy.digest = policy.digest().unwrap();
    let honest = market.asset.description().to_ddo_bytes().unwrap();
    let (ledger, account, nft) = (market.exchange.ledger(), market.owner_account(), market.asset.nft());
    ledger.set_metadata(&account, nft, &described.to_ddo_bytes().unwrap()).unwrap();
    let asset = market.exchange.asset(nft).unwrap();
    let consumer = market.consumer();
    consumer.buy(&asset, 1).unwrap();
    let ticket = consumer.order(&asset).unwrap().infer(&asset.vectors(&[1.0, 2.0, 30.0]).unwrap()).unwrap();
    ledger.set_metadata(&account, nft, &honest).unwrap();
    assert_eq!(market.owner.node().run(ticket.request().clone()).unwrap_err().kind(), ErrorKind::Rejected);
    assert_eq!(node(&market).kind, ErrorKind::InvalidProgram);
    assert!(node(&market).reason.contains("a table, which does not answer an inference"), "{}", node(&market).reason);
    // An inference sent to another asset, and a program put into another's request: the proof is about neither.
    let ticket = order.infer(&vectors).unwrap();
    let other = market.order().request(&query).unwrap();
    let (mine, theirs) = (to_value(ticket.request()).unwrap(), to_value(other.request()).unwrap());
    for part in ["program", "query", "result_key", "policy", "data", "nullifier", "root", "proof"] {
        let mut mixed = mine.clone();
        mixed[part] = theirs[part].clone();
        clinic.assert_rejected(request(&mixed), ErrorKind::InvalidProof);
    }
    clinic.ask(&ticket).unwrap();
}

#[test]
fn vectors_for_another_model_are_refused_before_anything_is_spent() {
    let clinic = Clinic::open();
    let order = clinic.order();
    let other = Schema::new(vec![Column::integer("x", 0, 9)]).unwrap();
    let error = order.infer(&Vectors::new(&other, &[1.0]).unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    let error = clinic.asset.vectors(&[31.0, 0.0, 20.0]).unwrap_err();
    assert_eq!(error.to_string(), "vector 0: \"radius\" is 31, expected a number from 0.00 to 30.00");
    assert_eq!(order.uses_left().unwrap(), 3);
}

#[test]
fn a_changed_query_and_a_second_use_are_refused_and_a_repeated_request_is_one_job() {
    let clinic = Clinic::open();
    let order = clinic.order();
    let vectors = clinic.asset.vectors(&[1.0, 2.0, 30.0]).unwrap();
    let ticket = order.infer(&vectors).unwrap();
    let json = to_value(ticket.request()).unwrap();
    let length = json["query"].as_array().unwrap().len();
    for at in [0, 1, length / 2, length - 1] {
        let mut bad = json.clone();
        bad["query"][at] = (bad["query"][at].as_u64().unwrap() ^ 1).into();
        clinic.assert_rejected(request(&bad), ErrorKind::InvalidProof);
    }
    let (result, receipt) = clinic.owner.node().run(ticket.request().clone()).unwrap();
    clinic.clock.advance(48 * 3600);
    let (again, same) = clinic.owner.node().run(ticket.request().clone()).unwrap();
    assert_eq!((&result, &receipt), (&again, &same));
    assert_eq!(clinic.owner.node().receipts().unwrap().len(), 1);

    let clinic = Clinic::open();
    let order = clinic.order();
    let first = order.infer_use(&vectors, 0).unwrap();
    let second = order.infer_use(&vectors, 0).unwrap();
    let (result, receipt) = clinic.owner.node().run(first.request().clone()).unwrap();
    clinic.assert_rejected(second.request().clone(), ErrorKind::NullifierSpent);
    // Another's result, and another's receipt.
    let third = order.infer(&vectors).unwrap();
    let (other, other_receipt) = clinic.owner.node().run(third.request().clone()).unwrap();
    for (result, receipt) in [(&other, &other_receipt), (&other, &receipt), (&result, &other_receipt)] {
        assert!(first.open(result, receipt).is_err());
    }
    first.open(&result, &receipt).unwrap();
}

#[test]
fn a_lost_ticket_is_found_in_the_wallet() {
    let clinic = Clinic::open();
    let consumer = clinic.exchange.consumer(Account::generate()).unwrap();
    consumer.buy(&clinic.asset, 1).unwrap();
    let order = consumer.order(&clinic.asset).unwrap();
    let vectors = clinic.asset.vectors(&[1.0, 2.0, 30.0]).unwrap();
    let mut ticket = order.infer(&vectors).unwrap();
    clinic.clock.advance(600);
    clinic.assert_rejected(ticket.request().clone(), ErrorKind::DeadlinePassed);
    ticket.renew().unwrap();
    let (result, receipt) = clinic.owner.node().run(ticket.request().clone()).unwrap();
    drop(ticket);
    assert!(consumer.tickets().unwrap().is_empty(), "it is no query");
    let kept = consumer.inference_tickets().unwrap().pop().unwrap();
    assert_eq!(kept.open(&result, &receipt).unwrap(), logistic().predict(&vectors).unwrap());
}

#[test]
fn a_policy_that_does_not_fit_is_not_published() {
    let clinic = Clinic::open();
    let (model, market) = (logistic(), Market::open());
    let publish = |policy: Policy| clinic.owner.publish(&Offer::model("a model", &model, policy, Terms::free(1)));
    let nothing = || Policy::deny_all();
    for (policy, says) in [
        (nothing(), "allows nothing that a model can do"),
        (nothing().allow_inference(0), "0 vectors"),
        (nothing().allow_inference(1).epsilon("1".parse().unwrap()), "asks for noise"),
        (nothing().allow_inference(1).max_jobs(0), "max_jobs is 0"),
        (nothing().allow_inference(1).any_program(), "allows queries"),
        (nothing().allow_inference(1).dimensions(["age"]), "allows queries"),
        (nothing().allow_inference(1).aggregations([Aggregation::Count]), "allows queries"),
        (nothing().allow_inference(1).expires(START), "expires"),
    ] {
        let error = publish(policy).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    let table = market::table(&market.people);
    let policy = market::policy().allow_inference(1);
    let error = market.owner.publish(&Offer::new("people", &table, policy, Terms::free(1))).unwrap_err();
    assert!(error.to_string().contains("which a table has no model for"), "{error}");
}

#[test]
fn a_model_is_stored_encrypted_replaced_sold_and_destroyed_like_a_table() {
    let policy = Policy::deny_all().allow_inference(4).allow_download();
    let clinic = Clinic::with(&logistic(), policy, 3);
    let (owner, node) = (&clinic.owner, clinic.owner.node());
    assert_eq!(owner.download(&clinic.asset).unwrap().model().unwrap(), logistic());
    assert!(owner.download(&clinic.asset).unwrap().table().is_err());
    let consumer = clinic.exchange.consumer(Account::generate()).unwrap();
    consumer.buy(&clinic.asset, 1).unwrap();
    let ticket = consumer.order_download(&clinic.asset).unwrap().request().unwrap();
    let (result, receipt) = node.run(ticket.request().clone()).unwrap();
    assert_eq!(ticket.open(&result, &receipt).unwrap().model().unwrap(), logistic());
    // New keys, and then another model: a request about the old one is refused.
    let late = clinic.order().infer(&clinic.asset.vectors(&[1.0, 2.0, 30.0]).unwrap()).unwrap();
    let asset = owner.reencrypt(&clinic.asset, &NewEpoch::new()).unwrap();
    let three = Model::multinomial(features(), [1, 2, 3], &[0.5; 9], &[0.0; 3], Precision::bits(24)).unwrap();
    let asset = owner.update_model(&asset, &three, &NewEpoch::new()).unwrap().asset;
    assert_eq!(asset.model().unwrap().kind, ModelKind::Multinomial);
    clinic.assert_rejected(late.request().clone(), ErrorKind::PolicyDenied);
    let clinic = Clinic { asset, ..clinic };
    let vectors = clinic.asset.vectors(&[1.0, 2.0, 30.0]).unwrap();
    let order = clinic.order();
    assert_eq!(clinic.ask(&order.infer(&vectors).unwrap()).unwrap(), three.predict(&vectors).unwrap());
    // A table does not take a model's place, nor the other way round.
    let market = Market::open();
    let error = clinic.owner.update(&clinic.asset, &market::table(&market.people), &NewEpoch::new()).unwrap_err();
    assert!(error.to_string().contains("is a model, and a table cannot take its place"), "{error}");
    assert!(market.owner.update_model(&market.asset, &three, &NewEpoch::new()).is_err());
    let ticket = order.infer(&vectors).unwrap();
    clinic.owner.destroy_key(&clinic.asset).unwrap();
    clinic.assert_rejected(ticket.request().clone(), ErrorKind::KeyDestroyed);
}

#[test]
fn a_node_that_was_restarted_scores_from_what_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let secret = *Account::generate().expose_secret_bytes();
    let account = || Account::from_secret_bytes(&secret).unwrap();
    let nft = {
        let exchange = Exchange::local(folder.path()).unwrap();
        let model = logistic();
        let offer = Offer::model("a model", &model, Policy::deny_all().allow_inference(4), Terms::free(9)).tags(["x"]);
        exchange.owner(account()).unwrap().publish(&offer).unwrap().asset.nft()
    };
    let exchange = Exchange::local(folder.path()).unwrap();
    let (owner, asset) = (exchange.owner(account()).unwrap(), exchange.asset(nft).unwrap());
    let consumer = exchange.consumer(Account::generate()).unwrap();
    consumer.buy(&asset, 1).unwrap();
    let vectors = asset.vectors(&[1.0, 2.0, 30.0]).unwrap();
    let ticket = consumer.order(&asset).unwrap().infer(&vectors).unwrap();
    let (result, receipt) = owner.node().run(ticket.request().clone()).unwrap();
    assert_eq!(ticket.open(&result, &receipt).unwrap(), logistic().predict(&vectors).unwrap());
}
