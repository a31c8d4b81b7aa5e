//! Sums over several parties: exact, and closed unless all have answered the same query.

use zeroize::Zeroizing;

use super::*;
use crate::{
    Error,
    linear::{
        AnswerShare, Blinding, EncryptedQuery, Matrix, SealedAnswer, Shape, Weights, client::phases,
        evaluate::evaluate_any, evaluate_share_with_entropy, evaluate_with_entropy,
    },
};

const BITS: u8 = 20;

/// The blinding of each party. The secret of two is made of their places.
fn blindings(parties: usize) -> Vec<Blinding> {
    let secret = |a: usize, b: usize| {
        let mut secret = [7; 32];
        (secret[0], secret[1]) = (a.min(b) as u8, a.max(b) as u8);
        Zeroizing::new(secret)
    };
    let of = |place| {
        let others = (0..parties).filter(|&other| other != place);
        Blinding::new(place, others.map(|other| secret(place, other))).expect("a place among them")
    };
    (0..parties).map(of).collect()
}

fn rows(rng: &mut Rng, shape: &Shape) -> Vec<Vec<i64>> {
    let row = |&bits: &u8| (0..shape.cells()).map(|_| value(rng, bits) as i64).collect();
    shape.value_bits().iter().map(row).collect()
}

fn matrix<'a>(shape: &Shape, rows: &'a [Vec<i64>]) -> Matrix<'a> {
    Matrix::new(shape, rows.iter().map(Vec::as_slice)).expect("entries fit")
}

fn product(rows: &[Vec<i64>], weights: &[i64]) -> Vec<i128> {
    rows.iter().map(|row| row.iter().zip(weights).map(|(&v, &w)| i128::from(v) * i128::from(w)).sum()).collect()
}

/// One party's share, with randomness of this seed.
fn share(query: &EncryptedQuery, matrix: &Matrix<'_>, blinding: &Blinding, seed: u8) -> AnswerShare {
    evaluate_share_with_entropy(query, &context(), matrix, blinding, entropy(seed)).expect("shapes agree")
}

fn check_sum(shape: Shape, parties: usize, seed: u8) {
    let shape = shape.summed(parties).expect("supported sum");
    let (mut rng, key) = (rng(seed), key(seed));
    let weights: Vec<i64> = (0..shape.vectors() * shape.cells())
        .map(|_| match shape.weights() {
            Weights::Indicator => value(&mut rng, 1) as i64 & 1,
            Weights::Signed { bits } => value(&mut rng, bits) as i64,
        })
        .collect();
    let query = match shape.weights() {
        Weights::Indicator => {
            let indicator: Vec<bool> = weights.iter().map(|&w| w == 1).collect();
            key.encrypt_with_entropy(&shape, &indicator, &context(), entropy(seed))
        }
        Weights::Signed { .. } => key.encrypt_weights_with_entropy(&shape, &weights, &context(), entropy(seed)),
    };
    let query = EncryptedQuery::from_bytes(&query.expect("valid weights").to_bytes()).expect("own bytes");
    let mut truth = vec![0i128; shape.vectors() * shape.outputs()];
    let mut shares: Vec<AnswerShare> = blindings(parties)
        .iter()
        .enumerate()
        .map(|(place, blinding)| {
            let rows = rows(&mut rng, &shape);
            let products = weights.chunks_exact(shape.cells()).flat_map(|vector| product(&rows, vector));
            truth.iter_mut().zip(products).for_each(|(total, part)| *total += part);
            let share = share(&query, &matrix(&shape, &rows), blinding, seed + place as u8);
            let bytes = share.to_bytes();
            assert_eq!(bytes.len(), AnswerShare::encoded_len(&shape));
            AnswerShare::from_bytes(&bytes).expect("own bytes")
        })
        .collect();
    shares.rotate_left(parties / 2);
    let sum = AnswerShare::sum(shares).expect("one of each");
    assert_eq!(key.decrypt(&sum, &shape), Ok(truth));
}

#[test]
fn shares_add_up_to_the_exact_sum() {
    check_sum(Shape::new(1, &[1]).expect("shape"), 2, 40);
    check_sum(Shape::new(82, &[BITS; 9]).expect("shape"), 3, 50);
    check_sum(Shape::new(5000, &[40, 3]).expect("shape"), 2, 60);
    check_sum(Shape::batch(3, 31, Weights::Signed { bits: 9 }, &[BITS, 12]).expect("shape"), 5, 70);
    check_sum(Shape::new(4, &[12]).expect("shape"), 64, 80);
}

/// The results of a sum over the largest entries everywhere, whose noise must stay inside the budget.
#[test]
fn noise_of_a_sum_stays_inside_its_budget() {
    for (cells, parties) in [(82, 2), (82, 64), (5000, 5)] {
        let single = Shape::new(cells, &[12]).expect("valid shape");
        let shape = single.summed(parties).expect("supported sum");
        let (budget, key, mut rng) = (*shape.budget(), key(90), rng(90));
        let indicator = indicator(&mut rng, cells);
        let query = key.encrypt_with_entropy(&shape, &indicator, &context(), entropy(90)).expect("valid indicator");
        // Entries of one digit, so that a result is one message.
        let rows = vec![vec![-(1i64 << (budget.limb_bits().min(12) - 1)); cells]];
        let message = product(&rows, &indicator.iter().map(|&b| i64::from(b)).collect::<Vec<_>>())[0] * parties as i128;
        let shares = blindings(parties)
            .iter()
            .enumerate()
            .map(|(i, b)| share(&query, &matrix(&shape, &rows), b, 91 + i as u8))
            .collect::<Vec<_>>();
        let sum = AnswerShare::sum(shares).expect("one of each");
        let digit = phases(&key.bits(), &sum.samples()[0], &shape, 1).next().expect("one result");
        let noise = digit.wrapping_sub((message << budget.delta_log2()) as u128) as i128;
        println!(
            "{cells} cells, {parties} parties: noise 2^{:.1}, bound 2^{:.1}, decodes below 2^{}",
            (noise.unsigned_abs() as f64).log2(),
            (budget.noise_bound() as f64).log2(),
            budget.delta_log2() - 1
        );
        assert!(noise.unsigned_abs() <= budget.noise_bound());
    }
}

/// Three parties under one query, and what the consumer gets of them.
struct Round {
    shape: Shape,
    key: QueryKey,
    query: EncryptedQuery,
    weights: Vec<i64>,
    rows: Vec<Vec<Vec<i64>>>,
}

impl Round {
    fn new(seed: u8) -> Self {
        let shape = Shape::new(82, &[BITS; 3]).and_then(|s| s.summed(3)).expect("valid shape");
        let (mut rng, key) = (rng(seed), key(seed));
        let indicator = indicator(&mut rng, shape.cells());
        let query = key.encrypt_with_entropy(&shape, &indicator, &context(), entropy(seed)).expect("valid indicator");
        let rows = (0..3).map(|_| rows(&mut rng, &shape)).collect();
        Self { shape, key, query, weights: indicator.iter().map(|&b| i64::from(b)).collect(), rows }
    }

    /// What some bytes open to when they are taken for the answer.
    fn open(&self, answer: &SealedAnswer) -> Vec<i128> {
        self.key.decrypt(answer, &self.shape).expect("same shape")
    }

    fn truth(&self, party: usize) -> Vec<i128> {
        product(&self.rows[party], &self.weights)
    }

    fn share(&self, query: &EncryptedQuery, party: usize, seed: u8) -> AnswerShare {
        share(query, &matrix(&self.shape, &self.rows[party]), &blindings(3)[party], seed)
    }
}

fn added(answers: &[&SealedAnswer]) -> SealedAnswer {
    let mut sum = answers[0].clone();
    let bits = sum.shape().budget().answer_bits();
    for answer in &answers[1..] {
        for (total, part) in sum.samples_mut().iter_mut().zip(answer.samples()) {
            let add = |(total, part): (&mut u64, &u64)| *total = total.wrapping_add(*part) & ((1 << bits) - 1);
            total.mask.iter_mut().zip(&part.mask).for_each(add);
            total.bodies.iter_mut().zip(&part.bodies).for_each(add);
        }
    }
    sum
}

#[test]
fn attack_one_share_or_all_but_one_open_unblinded_and_say_nothing_blinded() {
    let round = Round::new(100);
    // Without pads each is an answer of its own.
    let bare: Vec<SealedAnswer> = (0..3)
        .map(|party| {
            let matrix = matrix(&round.shape, &round.rows[party]);
            evaluate_any(&round.query, &context(), &matrix, &entropy(101 + party as u8)).expect("shapes agree")
        })
        .collect();
    assert_eq!(round.open(&bare[1]), round.truth(1));
    let two: Vec<i128> = round.truth(0).iter().zip(round.truth(1)).map(|(a, b)| a + b).collect();
    assert_eq!(round.open(&added(&[&bare[0], &bare[1]])), two);

    let shares: Vec<AnswerShare> = (0..3).map(|party| round.share(&round.query, party, 101 + party as u8)).collect();
    for (party, share) in shares.iter().enumerate() {
        // The same randomness, so the masks are those of above and the bodies are all that differs.
        let (blind, open) = (share.answer(), &bare[party]);
        for (a, b) in blind.samples().iter().zip(open.samples()) {
            assert_eq!(a.mask, b.mask);
            assert!(a.bodies.iter().zip(&b.bodies).all(|(a, b)| a != b));
        }
        let found = round.open(blind);
        assert!(found.iter().zip(round.truth(party)).all(|(a, b)| *a != b), "{found:?}");
    }
    let found = round.open(&added(&[shares[0].answer(), shares[1].answer()]));
    assert!(found.iter().zip(two).all(|(a, b)| *a != b), "{found:?}");
    assert!(matches!(AnswerShare::sum(shares[..2].to_vec()), Err(Error::Shares { expected: 3, .. })));
    let all: Vec<i128> = (0..3)
        .map(|party| round.truth(party))
        .reduce(|a, b| a.iter().zip(b).map(|(a, b)| a + b).collect())
        .expect("three");
    assert_eq!(round.open(&AnswerShare::sum(shares).expect("one of each")), all);
}

#[test]
fn blinded_bodies_are_uniform() {
    // The same matrix of zeros and the same release a thousand times over: only the pads change, with the sample.
    let shape = Shape::new(4096, &[1; 256]).and_then(|s| s.summed(2)).expect("valid shape");
    let query =
        key(110).encrypt_with_entropy(&shape, &[false; 4096], &context(), entropy(110)).expect("valid indicator");
    let rows = vec![vec![0i64; 4096]; 256];
    let share = share(&query, &matrix(&shape, &rows), &blindings(2)[0], 111);
    let bits = shape.budget().answer_bits();
    let bodies: Vec<u64> = share.answer().samples().iter().flat_map(|sample| sample.bodies.clone()).collect();
    for bit in 0..bits {
        let ones = bodies.iter().filter(|body| *body >> bit & 1 == 1).count() as f64;
        let deviations = (ones - bodies.len() as f64 / 2.0).abs() / (bodies.len() as f64 / 4.0).sqrt();
        assert!(deviations < 5.0, "bit {bit}: {ones} of {}", bodies.len());
    }
}

#[test]
fn attack_a_zero_query_to_the_others_opens_one_party_unless_pads_are_bound_to_the_query() {
    let round = Round::new(120);
    let nothing = round
        .key
        .encrypt_with_entropy(&round.shape, &vec![false; round.shape.cells()], &context(), entropy(121))
        .expect("valid indicator");
    let queries = [&round.query, &nothing, &nothing];
    let matrices: Vec<Matrix<'_>> = round.rows.iter().map(|rows| matrix(&round.shape, rows)).collect();

    // Pads that are not bound to the query cancel all the same.
    let bits = round.shape.budget().answer_bits();
    let unbound: Vec<SealedAnswer> = (0..3)
        .map(|party| {
            let mut answer = evaluate_any(queries[party], &context(), &matrices[party], &entropy(122 + party as u8))
                .expect("shapes agree");
            blindings(3)[party].blind(answer.samples_mut(), bits, &context(), &[0; 32]);
            answer
        })
        .collect();
    assert_eq!(round.open(&added(&unbound.iter().collect::<Vec<_>>())), round.truth(0), "the attack");

    let shares = (0..3).map(|party| round.share(queries[party], party, 122 + party as u8));
    let found = round.open(&AnswerShare::sum(shares).expect("one of each"));
    assert!(found.iter().zip(round.truth(0)).all(|(a, b)| *a != b), "{found:?}");
}

#[test]
fn attack_a_second_answer_in_one_context_gives_the_difference_of_two_matrices() {
    let mut round = Round::new(130);
    let query = round.key.encrypt_with_entropy(&round.shape, &[true; 82], &context(), entropy(131)).expect("valid");
    let answer = |round: &Round, context: &Context, query: &EncryptedQuery, seed| {
        let matrix = matrix(&round.shape, &round.rows[0]);
        let share = evaluate_share_with_entropy(query, context, &matrix, &blindings(3)[0], entropy(seed));
        share.expect("shapes agree").answer().clone()
    };
    let mut negated = answer(&round, &context(), &query, 132);
    let bits = negated.shape().budget().answer_bits();
    for sample in negated.samples_mut() {
        sample.mask.iter_mut().chain(&mut sample.bodies).for_each(|w| *w = w.wrapping_neg() & ((1 << bits) - 1));
    }
    let changed = [0, if round.rows[0][1][5] > 0 { -999 } else { 999 }, 0];
    round.rows[0][1][5] += changed[1] as i64;
    // The same query once more, over changed data: the pads are gone from the difference.
    let again = answer(&round, &context(), &query, 133);
    assert_eq!(round.open(&added(&[&again, &negated])), changed, "why a context is answered once");

    // In another context they are not.
    let other = Context::new(&[b"another request"]);
    let renewed = round.key.encrypt_with_entropy(&round.shape, &[true; 82], &other, entropy(131)).expect("valid");
    let found = round.open(&added(&[&answer(&round, &other, &renewed, 134), &negated]));
    assert!(found.iter().zip(changed).all(|(a, b)| *a != b), "{found:?}");
}

#[test]
fn shares_that_do_not_belong_together_and_broken_ones_are_refused() {
    let round = Round::new(140);
    let shares: Vec<AnswerShare> = (0..3).map(|party| round.share(&round.query, party, 141)).collect();
    let sum = |shares: Vec<AnswerShare>| AnswerShare::sum(shares).expect_err("not a sum");
    assert_eq!(sum(vec![]), Error::Parties { got: 0 });
    for (shares, expected) in [
        (vec![shares[0].clone(), shares[0].clone(), shares[1].clone()], "place 0 came twice"),
        (vec![shares[2].clone(), shares[0].clone()], "place 1 is missing"),
    ] {
        let error = sum(shares).to_string();
        assert!(error.contains(expected), "{error}");
    }
    let other = Round::new(142);
    let two = Shape::new(82, &[BITS; 3]).and_then(|s| s.summed(2)).expect("valid shape");
    let query = other.key.encrypt_with_entropy(&two, &[true; 82], &context(), entropy(1)).expect("valid");
    let stranger = share(&query, &matrix(&two, &other.rows[0]), &blindings(2)[0], 143);
    assert_eq!(sum(vec![shares[0].clone(), stranger]), Error::Shape { what: "share" });

    // An answer of its own is not made for a sum, nor a share for one party.
    let matrix = matrix(&round.shape, &round.rows[0]);
    let alone = evaluate_with_entropy(&round.query, &context(), &matrix, entropy(2));
    assert_eq!(alone.err(), Some(Error::Parties { got: 3 }));
    let wrong = evaluate_share_with_entropy(&round.query, &context(), &matrix, &blindings(2)[0], entropy(2));
    assert_eq!(wrong.err(), Some(Error::Parties { got: 3 }));

    let single = Shape::new(82, &[BITS; 3]).expect("valid shape");
    for parties in [0, 1, 65, usize::MAX] {
        assert_eq!(single.summed(parties), Err(Error::Parties { got: parties }));
    }
    assert!(matches!(Blinding::new(0, []), Err(Error::Parties { got: 1 })));
    assert!(matches!(Blinding::new(2, [Zeroizing::new([0; 32])]), Err(Error::Shares { expected: 2, .. })));

    let bytes = shares[1].to_bytes();
    for cut in [0, 1, 2, 3, 10, bytes.len() - 1] {
        assert!(AnswerShare::from_bytes(&bytes[..cut]).is_err(), "{cut} bytes");
    }
    for (at, wrong) in [(0, 2), (1, 0), (1, 1), (1, 65), (1, 2), (2, 3), (3, 9)] {
        let mut bytes = bytes.clone();
        bytes[at] = wrong;
        assert!(AnswerShare::from_bytes(&bytes).is_err(), "byte {at} is {wrong}");
    }
    assert!(format!("{:?} {:?}", shares[1], blindings(3)[1]).contains("Blinding(party 1 of 3)"));
}
