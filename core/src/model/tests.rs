use proptest::prelude::*;

use super::*;
use crate::error::{Classify, ErrorKind};

fn features() -> Schema {
    Schema::new(vec![
        Column::decimal("radius", 2, -500, 3000),
        Column::integer("age", 0, 120),
        Column::boolean("smoker"),
        Column::decimal("density", 5, 0, 40_000),
    ])
    .unwrap()
}

/// Σ w·x + b in double precision.
fn exact(weights: &[f64], intercept: f64, vector: &[f64]) -> f64 {
    weights.iter().zip(vector).map(|(w, x)| w * x).sum::<f64>() + intercept
}

#[test]
fn numbers_that_are_whole_units_are_scored_without_any_error() {
    let precision = Precision::bits(40).scale(6);
    let model = Model::linear(features(), ["y"], &[0.25, -3.0, 1.5, 20.0], &[-7.125], precision).unwrap();
    // Coefficients in units of 10^(places − 6); the constant feature has as many places as 17 bits allow: 4.
    assert_eq!(*model.rows()[0], [2500, -3_000_000, 1_500_000, 200, -713]);
    let vectors = Vectors::new(model.features(), &[12.34, 50.0, 1.0, 0.25]).unwrap();
    let prediction = model.predict(&vectors).unwrap();
    // The intercept alone was rounded, to 7.13.
    assert_eq!(prediction.scores(), [3_085_000 - 150_000_000 + 1_500_000 + 5_000_000 - 7_130_000]);
    assert_eq!(prediction.to_f64(), [-147.545]);
    let finer = Model::linear(features(), ["y"], &[0.25, -3.0, 1.5, 20.0], &[-7.125], Precision::default()).unwrap();
    assert_eq!(finer.predict(&vectors).unwrap().to_f64(), [-147.54]);
}

#[test]
fn the_scale_is_the_finest_that_fits_and_a_declared_one_is_kept_or_refused() {
    let of = |precision, big| Model::linear(features(), ["y"], &[big, 0.0, 0.0, 0.0], &[0.0], precision);
    for bits in [8, 16, 32, 62] {
        let model = of(Precision::bits(bits), 3.0).unwrap();
        let largest = model.rows()[0].iter().map(|c| c.abs()).max().unwrap();
        assert!(largest < 1 << (bits - 1) && largest * 10 >= 1 << (bits - 1), "{bits}: {largest}");
    }
    assert_eq!(of(Precision::default(), 0.0).unwrap().info().scale, MAX_SCORE_SCALE);
    assert_eq!(of(Precision::bits(32).scale(4), 3.0).unwrap().info().scale, 4);
    let error = of(Precision::bits(16).scale(8), 3.0).unwrap_err();
    assert!(
        matches!(&error, ModelError::TooWide { feature, bits: 16, scale: 8, .. } if feature == "radius"),
        "{error}"
    );
    assert!(of(Precision::default(), 1e300).is_err());
    assert!(matches!(of(Precision::bits(1), 1.0), Err(ModelError::Precision { .. })));
    assert!(matches!(of(Precision::bits(63), 1.0), Err(ModelError::Precision { .. })));
    assert!(matches!(of(Precision::bits(32).scale(37), 1.0), Err(ModelError::Precision { .. })));
}

#[test]
fn a_model_that_cannot_be_is_refused_in_words() {
    let of = |columns: Vec<Column>, classes: Vec<i64>, weights: &[f64], intercepts: &[f64]| {
        Model::multinomial(Schema::new(columns)?, classes, weights, intercepts, Precision::default())
    };
    let x = || vec![Column::integer("x", 0, 9)];
    let two = vec![1, 2];
    for (result, says) in [
        (of(x(), two.clone(), &[1.0], &[0.0; 2]), "expected 2 coefficients"),
        (of(x(), two.clone(), &[1.0; 2], &[0.0]), "expected 2 intercepts"),
        (of(x(), vec![], &[], &[]), "expected 1 to 1024 outputs, got 0"),
        (of(x(), (0..1025).collect(), &[0.0; 1025], &[0.0; 1025]), "got 1025"),
        (of(x(), vec![1], &[1.0], &[0.0]), "expected 2 classes or more, got 1"),
        (of(x(), vec![1, 1], &[1.0; 2], &[0.0; 2]), "1 is named twice"),
        (of(x(), two.clone(), &[1.0, f64::NAN], &[0.0; 2]), "the coefficient of x for output 1 is NaN"),
        (
            of(x(), two.clone(), &[1.0; 2], &[0.0, f64::INFINITY]),
            "the coefficient of the intercept for output 1 is inf",
        ),
        (of(vec![Column::integer("x", 0, 9).nullable()], two.clone(), &[1.0; 2], &[0.0; 2]), "missing"),
        (of(vec![Column::category("x", ["a"])], two.clone(), &[1.0; 2], &[0.0; 2]), "a category is no number"),
        (of(vec![Column::integer("x", 0, 1 << 40)], two, &[1.0; 2], &[0.0; 2]), "1 features of 42 bits"),
    ] {
        let error = result.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    let many = (0..1025).map(|i| Column::integer(i.to_string(), 0, 9)).collect();
    assert!(Schema::new(many).unwrap_err().to_string().contains("expected 1 to 1024 columns"));
}

#[test]
fn what_is_out_of_range_is_named_or_clipped() {
    let vector = |value: f64| [value, 50.0, 0.0, 0.1];
    for (value, clipped) in
        [(30.01, 3000), (1e300, 3000), (f64::INFINITY, 3000), (-5.01, -500), (-1e300, -500), (f64::NEG_INFINITY, -500)]
    {
        let error = Vectors::new(&features(), &[vector(1.0), vector(value)].concat()).unwrap_err();
        assert!(matches!(error, ModelError::OutOfRange { vector: 1, .. }));
        assert_eq!(error.kind(), ErrorKind::OutOfDomain);
        let says = format!("vector 1: \"radius\" is {value}, expected a number from -5.00 to 30.00");
        assert_eq!(error.to_string(), says);
        let weights = Vectors::clipped(&features(), &vector(value)).unwrap().weights();
        assert_eq!(weights[0], clipped);
    }
    // The ends themselves, and what rounds to them.
    for value in [-5.0, 30.0, 30.004, -5.004] {
        Vectors::new(&features(), &vector(value)).unwrap();
    }
    assert!(Vectors::new(&features(), &vector(f64::NAN)).is_err());
    assert!(Vectors::clipped(&features(), &vector(f64::NAN)).is_err(), "no end is near to it");
    for values in [&[][..], &[1.0; 3], &[1.0; 5]] {
        assert!(matches!(Vectors::new(&features(), values), Err(ModelError::Count { .. })));
    }
    let other = Vectors::new(&Schema::new(vec![Column::integer("x", 0, 9)]).unwrap(), &[1.0]).unwrap();
    let model = Model::linear(features(), ["y"], &[1.0; 4], &[0.0], Precision::default()).unwrap();
    assert!(matches!(model.predict(&other), Err(ModelError::OtherModel)));
    assert_eq!(format!("{other:?}"), "Vectors(1 of 1 features)");
}

#[test]
fn probabilities_and_labels_follow_from_scores() {
    let x = || Schema::new(vec![Column::integer("x", -1000, 1000)]).unwrap();
    let binary = Model::logistic(x(), ["no", "yes"], &[1.0], 0.0, Precision::default()).unwrap();
    let prediction = binary.predict(&Vectors::new(&x(), &[-1000.0, -1.0, 0.0, 1.0, 1000.0]).unwrap()).unwrap();
    let labels: Vec<_> = prediction.labels().unwrap().into_iter().cloned().collect();
    assert_eq!(labels, ["no", "no", "no", "yes", "yes"].map(Value::from));
    let probabilities = prediction.probabilities().unwrap();
    assert_eq!(probabilities.len(), 10);
    assert_eq!((probabilities[0], probabilities[5], probabilities[9]), (1.0, 0.5, 1.0));
    assert!((probabilities[7] - 1.0 / (1.0 + (-1f64).exp())).abs() < 1e-15);

    let three = Model::multinomial(x(), [7, 8, 9], &[1.0, 0.0, -1.0], &[0.0; 3], Precision::default()).unwrap();
    let prediction = three.predict(&Vectors::new(&x(), &[1000.0, 0.0, -2.0]).unwrap()).unwrap();
    let labels: Vec<_> = prediction.labels().unwrap().into_iter().cloned().collect();
    assert_eq!(labels, [7, 7, 9].map(Value::from), "the first of several that are as probable");
    let probabilities = prediction.probabilities().unwrap();
    assert_eq!(probabilities[..3], [1.0, 0.0, 0.0], "no overflow");
    assert!(probabilities.chunks(3).all(|p| (p.iter().sum::<f64>() - 1.0).abs() < 1e-15));

    let linear = Model::linear(x(), ["y"], &[1.0], &[0.0], Precision::default()).unwrap();
    let prediction = linear.predict(&Vectors::new(&x(), &[3.0]).unwrap()).unwrap();
    assert!(prediction.labels().is_err() && prediction.probabilities().is_err());
}

#[test]
fn a_model_has_one_encoding_and_shows_no_coefficient() {
    let model = Model::logistic(features(), ["no", "yes"], &[0.1, 0.2, 0.3, 0.4], 0.5, Precision::default()).unwrap();
    let bytes = model.to_bytes().unwrap();
    assert_eq!(Model::from_bytes(&bytes).unwrap(), model);
    let other = Model::logistic(features(), ["no", "yes"], &[0.1, 0.2, 0.3, 0.4], 0.6, Precision::default()).unwrap();
    assert_ne!(model.digest().unwrap(), other.digest().unwrap());
    assert_eq!(format!("{model:?}"), "Model(Logistic, 4 features, 1 scores)");
    for cut in 0..bytes.len() {
        assert!(Model::from_bytes(&bytes[..cut]).is_err());
    }
    let form = |coefficients: Vec<i64>, version| {
        let (info, features, intercepts) = (model.info.clone(), model.features.clone(), model.intercepts.to_vec());
        to_canonical(WHAT, &Row { version, info, features, coefficients, intercepts }).unwrap()
    };
    assert!(Model::from_bytes(&form(model.coefficients.to_vec(), VERSION)).is_ok());
    for (bad, kind) in [
        (form(vec![1; 3], VERSION), ErrorKind::InvalidArgument),
        (form(vec![1, 2, 3, 1 << 31], VERSION), ErrorKind::Malformed),
        (form(model.coefficients.to_vec(), 2), ErrorKind::UnsupportedVersion),
    ] {
        assert_eq!(Model::from_bytes(&bad).unwrap_err().kind(), kind);
    }
}

#[test]
fn a_program_has_one_encoding_and_is_of_some_vector() {
    let program = Inference::of(3).unwrap();
    assert_eq!(Inference::from_bytes(&program.to_bytes().unwrap()).unwrap(), program);
    assert_ne!(program.digest().unwrap(), Inference::of(4).unwrap().digest().unwrap());
    assert_eq!(
        (program.to_string(), Inference::of(1).unwrap().to_string()),
        ("infer 3 vectors".into(), "infer 1 vector".into())
    );
    assert!(Inference::of(0).is_err());
    let form = |version, vectors| {
        to_canonical("program", &serde_json::json!({"version": version, "infer": {"vectors": vectors}}))
    };
    assert_eq!(form(1, 3).unwrap(), program.to_bytes().unwrap());
    for bad in [form(1, 0), form(2, 3)] {
        assert!(Inference::from_bytes(&bad.unwrap()).is_err());
    }
    assert!(Inference::from_bytes(crate::download::program()).is_err());
}

/// Features, a vector within their ranges, coefficients and an intercept.
fn any_model() -> impl Strategy<Value = (Schema, Vec<f64>, Vec<f64>, f64)> {
    let column =
        (0u8..=5, -3_000i64..3_000, 0i64..60_000, 0.0..=1.0f64, prop_oneof![-1e-3..1e-3, -5.0..5.0, -1e6..1e6f64]);
    (prop::collection::vec(column, 1..40), -1e3..1e3f64).prop_map(|(columns, intercept)| {
        let mut schema = Vec::new();
        let (mut vector, mut weights) = (Vec::new(), Vec::new());
        for (i, (scale, min, span, at, weight)) in columns.into_iter().enumerate() {
            schema.push(Column::decimal(format!("x{i}"), scale, min, min + span));
            let value = (min as f64 + at * span as f64) / 10f64.powi(scale.into());
            vector.push(value);
            weights.push(weight);
        }
        (Schema::new(schema).unwrap(), vector, weights, intercept)
    })
}

proptest! {
    #[test]
    fn scores_are_within_the_stated_bound_of_the_model_that_was_quantised(
        (schema, vector, weights, intercept) in any_model(), bits in 20u8..=48,
    ) {
        let Ok(model) = Model::linear(schema, ["y"], &weights, &[intercept], Precision::bits(bits)) else {
            // Coefficients of a million times places of 10^-5 take more than 20 bits even in whole scores.
            return Ok(());
        };
        let vectors = Vectors::clipped(model.features(), &vector).unwrap();
        let score = model.predict(&vectors).unwrap().to_f64()[0];
        let (error, bound) = ((score - exact(&weights, intercept, &vector)).abs(), model.error_bound()[0]);
        prop_assert!(error <= bound, "{error} > {bound}");
    }
}

#[test]
fn the_vectors_that_could_tell_a_model_are_counted_by_bits() {
    let features = |count: usize, most: i64| {
        Schema::new((0..count).map(|i| Column::integer(format!("x{i}"), -most, most)).collect()).unwrap()
    };
    let model = |features: Schema, bits| {
        let weights = vec![0.5; features.columns().len()];
        Model::linear(features, ["y"], &weights, &[1.0], Precision::bits(bits)).unwrap()
    };
    let told = |model: Model| model.info().vectors_to_extract(model.features()).unwrap();
    // What docs/inference.md says.
    assert_eq!(told(model(features(30, (1 << 15) - 1), 16)), 8);
    assert_eq!(told(model(features(30, 127), 16)), 16);
    // Never more than there are unknowns, and each vector tells something.
    for (count, most, bits) in [(1, 1, 8), (7, 1000, 40), (100, 3, 12), (500, 1 << 20, 30)] {
        let vectors = told(model(features(count, most), bits));
        assert!((1..=count + 1).contains(&vectors), "{count} features, {bits} bits: {vectors}");
    }
}
