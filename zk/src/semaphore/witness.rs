//! The assignment of Semaphore's circuit, computed here.
//!
//! A key file says how variables meet in constraints, not what they are, and circom's own calculator is a WebAssembly
//! program, which would need an interpreter and be foreign code that sees the secret. But the circuit is fixed, and so is
//! what circom's optimiser kept of it: the values are computed natively, in the order in which the circuits of the
//! ceremony have them. Tests compare every value with circom's calculator, at every depth; and a proof
//! is verified before it leaves, so a wrong value could only make proving fail.
//!
//! The circuit is `semaphore.circom` of `@semaphore-protocol/circuits` 4, over circomlib 2.0.5 and zk-kit's
//! `binary-merkle-root` 2.0.0. Names below are theirs.

use std::{iter::once, sync::LazyLock};

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, BigInteger, Field, MontFp, PrimeField, Zero};
use zeroize::Zeroizing;

use super::curve::{A, BASE8, D, Point};
use crate::poseidon::parameters;

/// Variables that do not depend on the depth, with the constant one.
const FIXED_VARIABLES: u32 = 1514;
const VARIABLES_PER_LEVEL: u32 = 247;

/// Root, nullifier, message and scope.
pub(super) const PUBLIC_INPUTS: u32 = 4;

/// Number of variables of the circuit of a depth, with the constant one.
pub(super) const fn variables(depth: u32) -> u32 {
    FIXED_VARIABLES + VARIABLES_PER_LEVEL * depth
}

/// 2^251 − l, where l is the order of Baby Jubjub's subgroup: `LessThan(251)` looks at the sum with this.
const BELOW_ORDER: Fr = MontFp!("882472429686221704205792563364337734337873048642700367032833839298837928207");

/// Values that tell the secret or whose it is, wiped when dropped.
type Secrets = Zeroizing<Vec<Fr>>;

/// Values for the circuit's inputs, honest or not.
pub(super) struct Inputs {
    pub(super) secret: Fr,
    pub(super) length: u64,
    pub(super) index: u64,
    /// One per level of the circuit.
    pub(super) siblings: Vec<Fr>,
    pub(super) message: Fr,
    pub(super) scope: Fr,
}

impl Inputs {
    /// The full assignment: one, the public inputs, the private variables.
    pub(super) fn assignment(&self) -> Secrets {
        let depth = self.siblings.len();
        let secret_bits = bits(self.secret, 253);
        let key = public_key(&secret_bits);
        let commitment = Hash::of(key.point);
        let nullifier = Hash::of([self.scope, self.secret]);
        let tree = Tree::climb(self, commitment.out);
        let below_order = bits(self.secret + BELOW_ORDER, 252);

        // Of the full size, so that it never moves and leaves a copy.
        let mut z = Zeroizing::new(Vec::with_capacity(variables(depth as u32) as usize));
        z.extend([Fr::ONE, tree.root, nullifier.out, self.message, self.scope]);
        z.extend([self.secret, Fr::from(self.length), Fr::from(self.index)]);
        z.extend(&self.siblings);
        z.push(self.message.square());
        z.extend(key.point);
        // Of bits whose weighted sum is known, one is left out; and the highest of `below_order` has to be zero.
        z.extend(&secret_bits[..252]);
        z.extend(key.variables.iter());
        z.extend(tree.variables.iter());
        for hash in tree.hashes.iter().chain([&commitment, &nullifier]) {
            z.extend(hash.variables.iter());
        }
        z.extend(&below_order[..250]);
        debug_assert_eq!(z.len(), variables(depth as u32) as usize);
        z
    }
}

/// `BinaryMerkleRoot`.
struct Tree {
    root: Fr,
    variables: Secrets,
    hashes: Vec<Hash>,
}

impl Tree {
    fn climb(inputs: &Inputs, leaf: Fr) -> Self {
        let depth = inputs.siblings.len();
        // Whether the path ends below level i, and the witness that it does or does not.
        let ends_at = |i: usize| {
            let difference = Fr::from(i as u64) - Fr::from(inputs.length);
            [Fr::from(difference.is_zero()), difference.inverse().unwrap_or(Fr::ZERO)]
        };
        let sides = bits(Fr::from(inputs.index), depth);
        let mut nodes = vec![leaf];
        let (mut hashes, mut children) = (Vec::new(), Vec::new());
        for (sibling, side) in inputs.siblings.iter().zip(sides.iter()) {
            let node = nodes[nodes.len() - 1];
            let pair = if side.is_zero() { [node, *sibling] } else { [*sibling, node] };
            let parent = Hash::of(pair);
            children.extend(pair);
            nodes.push(parent.out);
            hashes.push(parent);
        }
        let roots: Vec<Fr> = (0..=depth).map(|i| ends_at(i)[0] * nodes[i]).collect();
        let variables = [nodes, roots[..depth].to_vec(), sides[..depth - 1].to_vec()].into_iter().flatten();
        let variables = variables.chain((0..=depth).flat_map(ends_at)).chain(children);
        Self { root: roots.into_iter().sum(), variables: secrets(variables), hashes }
    }
}

/// `Poseidon(2)`, as it looks after circom's optimiser.
struct Hash {
    out: Fr,
    variables: Secrets,
}

/// Full rounds before and after the partial ones.
const HALF: usize = 4;
const PARTIAL: usize = 57;

impl Hash {
    fn of(inputs: [Fr; 2]) -> Self {
        let parameters = parameters(2);
        let mut state = [Fr::ZERO, inputs[0], inputs[1]];
        let (mut mixed, mut entering) = (Vec::with_capacity(22), Vec::with_capacity(PARTIAL));
        let (mut full, mut partial) = (Vec::with_capacity(48), Vec::with_capacity(2 * PARTIAL));
        for round in 0..2 * HALF + PARTIAL {
            for (element, constant) in state.iter_mut().zip(&parameters.ark[3 * round..]) {
                *element += constant;
            }
            if round > HALF && round <= HALF + PARTIAL {
                entering.push(state[0]);
            }
            if (HALF..HALF + PARTIAL).contains(&round) {
                partial.extend(fifth_power(&mut state[0]));
                state = times(&parameters.mds, state);
                continue;
            }
            for element in &mut state {
                full.extend(fifth_power(element));
            }
            // circomlib adds the next round's constants before the matrix.
            mixed.extend(state.iter().zip(CONSTANTS_BEFORE_MIX[round]).map(|(element, constant)| *element + constant));
            state = times(&parameters.mds, state);
        }
        // The first element starts as a constant, and the last of the last round follows from the result.
        let mixed = mixed[1..mixed.len() - 1].iter();
        let variables = mixed.chain(&entering).chain(&full[2..]).chain(&partial).copied();
        Self { out: state[0], variables: secrets(variables) }
    }
}

/// Raises to the fifth power, and returns the second and the fourth.
fn fifth_power(x: &mut Fr) -> [Fr; 2] {
    let square = x.square();
    let fourth = square.square();
    *x *= fourth;
    [square, fourth]
}

fn times(matrix: &[Vec<Fr>], state: [Fr; 3]) -> [Fr; 3] {
    core::array::from_fn(|i| matrix[i].iter().zip(state).map(|(m, s)| *m * s).sum())
}

/// What circomlib adds between powers and matrix of each full round, zero elsewhere and in the last round. In partial
/// rounds only the first element is raised, so the constants of the others move forward to before the first of them.
static CONSTANTS_BEFORE_MIX: LazyLock<Vec<[Fr; 3]>> = LazyLock::new(|| {
    let parameters = parameters(2);
    let inverse = inverse(&parameters.mds);
    let of_round = |round: usize| -> [Fr; 3] { core::array::from_fn(|i| parameters.ark[3 * round + i]) };
    let mut moved = of_round(HALF + PARTIAL);
    for round in (HALF..HALF + PARTIAL).rev() {
        let [_, second, third] = times(&inverse, moved);
        let [a, b, c] = of_round(round);
        moved = [a, b + second, c + third];
    }
    let rounds = 2 * HALF + PARTIAL;
    let next = |round: usize| match round + 1 {
        HALF => times(&inverse, moved),
        next if next == rounds => [Fr::ZERO; 3],
        next => times(&inverse, of_round(next)),
    };
    (0..rounds).map(next).collect()
});

/// The inverse of a matrix of three rows.
fn inverse(m: &[Vec<Fr>]) -> Vec<Vec<Fr>> {
    // The cofactor of row i and column j, with its sign, as indices go round.
    let cofactor = |i: usize, j: usize| {
        let [(i1, i2), (j1, j2)] = [i, j].map(|k| ((k + 1) % 3, (k + 2) % 3));
        m[i1][j1] * m[i2][j2] - m[i1][j2] * m[i2][j1]
    };
    let determinant: Fr = (0..3).map(|j| m[0][j] * cofactor(0, j)).sum();
    let scale = determinant.inverse().expect("Poseidon's matrix is invertible");
    (0..3).map(|i| (0..3).map(|j| cofactor(j, i) * scale).collect()).collect()
}

/// `BabyPbk`.
struct PublicKey {
    point: Point,
    variables: Secrets,
}

/// Scalar bits of the first segment of `EscalarMulFix`; the second has the rest.
const SEGMENT_BITS: usize = 249;

fn public_key(secret_bits: &[Fr]) -> PublicKey {
    let (first, second) = secret_bits.split_at(SEGMENT_BITS);
    let [first, second] = [SEGMENTS[0].multiply(first), SEGMENTS[1].multiply(second)];
    let sum = edwards_add(first.out, second.out);
    let variables = [&first.out, &second.out, sum.products.as_slice(), &first.variables, &second.variables];
    PublicKey { point: sum.point, variables: secrets(variables.into_iter().flatten().copied()) }
}

/// `SegmentMulFix`: what is constant in it. Points are on the Montgomery form of the curve, but for the correction.
struct Segment {
    /// Multiples 1 to 8 of each window's base.
    windows: Vec<[Point; 8]>,
    start: Point,
    /// What has to be added because windows start at 1 and not at 0.
    correction: Point,
}

struct Multiplied {
    out: Point,
    variables: Secrets,
}

static SEGMENTS: LazyLock<[Segment; 2]> = LazyLock::new(|| {
    let first = Segment::new(BASE8, 83);
    let next = montgomery_to_edwards(first.windows[82][7]);
    [first, Segment::new(next, 2)]
});

impl Segment {
    fn new(base: Point, windows: usize) -> Self {
        let mut base = edwards_to_montgomery(base);
        let mut offset = base;
        let windows: Vec<[Point; 8]> = (0..windows)
            .map(|_| {
                let mut multiples = [base; 8];
                multiples[1] = montgomery_double(base);
                for i in 2..8 {
                    multiples[i] = montgomery_add(base, multiples[i - 1]).0;
                }
                base = multiples[7];
                multiples
            })
            .collect();
        let start = montgomery_double(base);
        for window in &windows[..windows.len() - 1] {
            offset = montgomery_add(offset, window[7]).0;
        }
        let [x, y] = montgomery_to_edwards(montgomery_add(offset, start).0);
        Self { windows, start, correction: [-x, y] }
    }

    fn multiply(&self, bits: &[Fr]) -> Multiplied {
        let bit = |i: usize| bits.get(i).copied().unwrap_or(Fr::ZERO);
        let (mut variables, mut products) = (Vec::new(), Vec::new());
        let mut sum = self.start;
        for (i, window) in self.windows.iter().enumerate() {
            let (low, middle) = (bit(3 * i), bit(3 * i + 1));
            let chosen = (0..3).map(|k| usize::from(!bit(3 * i + k).is_zero()) << k).sum::<usize>();
            let term = window[chosen];
            let (next, slope) = montgomery_add(sum, term);
            sum = next;
            variables.extend(sum);
            // With one bit the choice is linear, and needs no variables.
            if 3 * i + 1 < bits.len() {
                let x = window.map(|point| point[0]);
                variables.extend(term);
                products.push((x[7] - x[6] - x[5] + x[4] - x[3] + x[2] + x[1] - x[0]) * low * middle);
            }
            variables.push(slope);
        }
        let point = montgomery_to_edwards(sum);
        let corrected = edwards_add(point, self.correction);
        let [.., both] = corrected.products;
        let variables = variables.into_iter().chain(point).chain(once(both)).chain(products);
        Multiplied { out: corrected.point, variables: secrets(variables) }
    }
}

/// `BabyAdd`, with its variables beta, gamma, delta and tau.
struct Added {
    point: Point,
    products: [Fr; 4],
}

fn edwards_add([x1, y1]: Point, [x2, y2]: Point) -> Added {
    let (beta, gamma) = (x1 * y2, y1 * x2);
    let delta = (y1 - A * x1) * (x2 + y2);
    let tau = beta * gamma;
    let x = quotient(beta + gamma, Fr::ONE + D * tau);
    let y = quotient(delta + A * beta - gamma, Fr::ONE - D * tau);
    Added { point: [x, y], products: [beta, gamma, delta, tau] }
}

/// The coefficient of u² in the Montgomery form v² = u³ + 168698 · u² + u.
const MONTGOMERY_A: Fr = MontFp!("168698");

/// The sum of different points, and the slope.
fn montgomery_add([u1, v1]: Point, [u2, v2]: Point) -> (Point, Fr) {
    let slope = quotient(v2 - v1, u2 - u1);
    let u = slope.square() - MONTGOMERY_A - u1 - u2;
    ([u, slope * (u1 - u) - v1], slope)
}

fn montgomery_double([u1, v1]: Point) -> Point {
    let numerator = u1.square() * Fr::from(3u64) + MONTGOMERY_A.double() * u1 + Fr::ONE;
    let slope = quotient(numerator, v1.double());
    let u = slope.square() - MONTGOMERY_A - u1.double();
    [u, slope * (u1 - u) - v1]
}

fn edwards_to_montgomery([x, y]: Point) -> Point {
    let u = quotient(Fr::ONE + y, Fr::ONE - y);
    [u, quotient(u, x)]
}

fn montgomery_to_edwards([u, v]: Point) -> Point {
    [quotient(u, v), quotient(u - Fr::ONE, u + Fr::ONE)]
}

fn quotient(numerator: Fr, denominator: Fr) -> Fr {
    // Windows start at one, and the sum starts above all of them: no two summands have equal or opposite places.
    numerator * denominator.inverse().expect("circomlib's offsets keep the summands apart")
}

/// The lowest bits.
fn bits(x: Fr, count: usize) -> Secrets {
    let x = x.into_bigint();
    secrets((0..count).map(|i| Fr::from(x.get_bit(i))))
}

fn secrets(values: impl Iterator<Item = Fr>) -> Secrets {
    Zeroizing::new(values.collect())
}
