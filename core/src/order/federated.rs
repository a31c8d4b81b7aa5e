//! One query to several owners, of which only the sum opens. See [`federation`](crate::federation).

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use sealock_fhe::linear::{AnswerShare, MAX_PARTIES, Shape};
use sealock_zk::SMALLEST_ANONYMOUS_GROUP;
use serde_bytes::ByteBuf;
use zeroize::Zeroizing;

use super::consumer::Inner;
use super::ticket::query_key;
use super::{JobTicket, Order, OrderError};
use crate::error::Result;
use crate::exchange::Asset;
use crate::federation::{FederationError, MIN_PARTIES, Party, Round, layout};
use crate::job::{JobId, JobRequest};
use crate::node::summed;
use crate::program::{Plan, Program, Query};
use crate::progress::{Progress, Stage, Step, inform, tell};
use crate::receipt::Receipt;
use crate::release::{Answer, SealedResult};
use crate::{Address, Digest};

/// The consumer's half of a sum: the requests to send, one to each owner's node, and the keys that open the sum of the
/// results.
#[derive(Debug)]
pub struct FederatedTicket {
    /// In the order of the round's parties, at least one.
    parts: Vec<JobTicket>,
}

impl JobTicket {
    /// The part of a sum that a result holds.
    fn share(&self, result: &SealedResult, shape: &Shape, place: usize) -> Result<AnswerShare> {
        let bytes = result.unseal(&self.ticket.result_key)?;
        if bytes.len() != AnswerShare::encoded_len(shape) {
            return Err(FederationError::NoAnswer.into());
        }
        let share = AnswerShare::from_bytes(&bytes)?;
        let fits = share.shape() == shape && share.place() == place;
        if fits { Ok(share) } else { Err(FederationError::NoAnswer.into()) }
    }
}

impl FederatedTicket {
    /// The parts, in the order of the parties. A part's [`request`](JobTicket::request) is sent to its owner's node; what
    /// comes back is opened here.
    pub fn parts(&self) -> &[JobTicket] {
        &self.parts
    }

    /// The requests, in the order of the parties.
    pub fn requests(&self) -> impl Iterator<Item = &JobRequest> {
        self.parts.iter().map(JobTicket::request)
    }

    /// The names of the jobs, in the order of the parties.
    pub fn jobs(&self) -> impl Iterator<Item = JobId> {
        self.parts.iter().map(JobTicket::job)
    }

    /// Proves every request again: see [`JobTicket::renew`]. Where one cannot be, because its asset was changed after its node
    /// had answered for instance, the others are nevertheless.
    ///
    /// # Errors
    /// As [`JobTicket::renew`], the first one after all were tried.
    pub fn renew(&mut self) -> Result<()> {
        let renewed: Vec<Result<()>> = self.parts.iter_mut().map(JobTicket::renew).collect();
        renewed.into_iter().collect()
    }

    /// Opens the sum of the results, which may come in any order: checks that each receipt is its owner's and is about its job
    /// and result, adds up, and decrypts.
    ///
    /// # Errors
    /// [`FederationError::Results`] unless there is one result for each part; as [`JobTicket::open`] for a result or a receipt
    /// that does not fit; [`FederationError::NoAnswer`] if they add up to none, since a node has computed something else.
    pub fn open(&self, results: &[(SealedResult, Receipt)]) -> Result<Answer> {
        let results_of = |ticket: &JobTicket| {
            let mut found = results.iter().filter(|(result, _)| result.job() == ticket.job());
            match (found.next(), found.next()) {
                (Some(found), None) => Ok(found),
                (None, _) => {
                    Err(FederationError::Results(format!("that of {}, of this round, is missing", ticket.asset.did())))
                }
                (Some(_), Some(_)) => Err(FederationError::Results(format!("{} has two", ticket.asset.did()))),
            }
        };
        if results.len() > self.parts.len() {
            let why = format!("{} came for {} parts", results.len(), self.parts.len());
            return Err(FederationError::Results(why).into());
        }
        let results = self.parts.iter().map(results_of).collect::<Result<Vec<_>, _>>()?;
        for (ticket, (result, receipt)) in self.parts.iter().zip(&results) {
            ticket.check_receipt(result, receipt)?;
        }
        let first = &self.parts[0];
        let (asset, ticket) = (&first.asset, &first.ticket);
        let schema = asset.schema();
        let plan = Program::from_bytes(&ticket.request.program)?.plan(schema)?;
        let round = ticket.request.round().ok_or_else(|| FederationError::Round("it is missing".into()))?;
        let shape = summed(&plan, &round.widths, self.parts.len()).map_err(OrderError::Unanswerable)?;
        // One at a time: what an owner signs and sends may be large, and of any shape.
        let mut failed = None;
        let shares = self.parts.iter().zip(&results).enumerate().map_while(|(place, (ticket, (result, _)))| {
            let share = ticket.share(result, &shape, place);
            share.map_err(|error| failed = Some(error)).ok()
        });
        let sum = AnswerShare::sum(shares);
        if let Some(error) = failed {
            return Err(error);
        }
        let numbers = query_key(&ticket.seed).decrypt(&sum?, &shape)?;
        let exact = self.parts.iter().all(|part| part.asset.policy().noise().is_none());
        // A width holds an exact sum over all cells, and of noisy ones each cell.
        let terms = if exact { self.parts.len() } else { self.parts.len() * plan.cells() } as u128;
        let too_wide = |(number, &bits): (&i128, &u8)| number.unsigned_abs() > terms << (bits - 1);
        if numbers.iter().zip(shape.value_bits()).any(too_wide) {
            return Err(FederationError::NoAnswer.into());
        }
        let max_rows = self.parts.iter().fold(0u64, |sum, part| sum.saturating_add(part.asset.max_rows()));
        let answer =
            Answer::assemble(schema, exact, &plan, max_rows, &numbers).map_err(|_| FederationError::NoAnswer)?;
        Ok(answer.select(&ticket.outputs))
    }

    pub(super) fn request(
        consumer: &Arc<Inner>,
        orders: &[&Order],
        query: &Query,
        progress: &mut Progress<'_>,
    ) -> Result<Self> {
        check_orders(consumer, orders)?;
        let first = &orders[0].asset;
        let mut laid_out: Option<(Program, Plan, Digest)> = None;
        let mut widths: Vec<u8> = Vec::new();
        for order in orders {
            let asset = &order.asset;
            order.check_current()?;
            let (program, plan, shape) = asset.lay_out(query, Some(order.now()?))?;
            let layout = layout(asset.schema(), asset.policy(), &plan)?;
            let own = &shape.value_bits()[..plan.width()];
            match &laid_out {
                Some((_, plan_of_first, layout_of_first)) if *layout_of_first != layout => {
                    let why = difference(first, plan_of_first, asset);
                    return Err(FederationError::OtherCells { did: asset.did(), first: first.did(), why }.into());
                }
                Some(_) => widths.iter_mut().zip(own).for_each(|(widest, &bits)| *widest = (*widest).max(bits)),
                None => {
                    widths = own.to_vec();
                    laid_out = Some((program, plan, layout));
                }
            }
        }
        let (program, plan, layout) = laid_out.ok_or_else(|| FederationError::Orders("there are none".into()))?;
        let shape = summed(&plan, &widths, orders.len()).map_err(OrderError::Unanswerable)?;
        let indicator = Zeroizing::new(plan.indicator(first.schema(), query)?);
        let parties = orders.iter().map(|order| Party::of(&order.asset, [0; 32])).collect::<Result<_, _>>()?;
        let mut round = Round { parties, widths: ByteBuf::from(widths), layout };
        for order in orders {
            let policy = order.asset.policy();
            policy.check_round(Some(&round))?;
            if policy.federated() != first.policy().federated() {
                let all = |asset: &Asset| asset.policy().federated().map(|rule| rule.members().collect::<Vec<_>>());
                let (one, two) = (all(first).unwrap_or_default(), all(&order.asset).unwrap_or_default());
                let differs = one.iter().find(|m| !two.contains(m)).or_else(|| two.iter().find(|m| !one.contains(m)));
                let owner = differs.map_or(order.asset.owner(), |member| member.owner);
                return Err(FederationError::OtherMembers { owner, did: order.asset.did(), first: first.did() }.into());
            }
        }
        let mut loaded = Vec::with_capacity(orders.len());
        for order in orders {
            loaded.push(order.load(progress)?);
        }
        // The first time of a key takes a while, and a request's time is good for a few minutes.
        for (order, (_, membership, now)) in orders.iter().zip(&mut loaded) {
            (*membership, *now) = order.membership(order.now()?)?;
        }
        warn_of_small_crowd(consumer, orders)?;
        tell(progress, Step::out_of(Stage::Encrypt, 0, 1))?;

        let taken = orders
            .iter()
            .zip(&loaded)
            .map(|(order, (.., now))| (order.record.commitment, order.service.epoch(*now), order.credential.limit));
        let taken = consumer.wallet.take_uses(&taken.collect::<Vec<_>>())?.map_err(|place| {
            let order = orders[place];
            order.exhausted(order.service.epoch(loaded[place].2))
        })?;
        let program = program.to_bytes()?;
        let mut tickets = Vec::with_capacity(orders.len());
        for ((order, (.., now)), use_index) in orders.iter().zip(&loaded).zip(taken) {
            tickets.push(order.blank(*now, program.clone(), use_index)?);
        }
        for (party, ticket) in round.parties.iter_mut().zip(&tickets) {
            party.nullifier = ticket.request.nullifier;
        }
        let seed = tickets[0].seed.clone();
        for ticket in &mut tickets {
            ticket.request.round = Some(round.clone());
            ticket.outputs = query.outputs().to_vec();
            ticket.seed = seed.clone();
        }
        let encrypted = query_key(&seed).encrypt(&shape, &indicator, &tickets[0].request.context())?.to_bytes();
        inform(progress, Step::out_of(Stage::Encrypt, 1, 1));
        let all = orders.len() as u64;
        for (place, (ticket, (order, (key, membership, _)))) in
            tickets.iter_mut().zip(orders.iter().zip(&loaded)).enumerate()
        {
            inform(progress, Step::out_of(Stage::Prove, place as u64, all));
            ticket.request.query = ByteBuf::from(encrypted.clone());
            order.prove(&mut ticket.request, key, membership, ticket.use_index)?;
        }
        inform(progress, Step::out_of(Stage::Prove, all, all));
        consumer.wallet.keep_all(&tickets.iter().collect::<Vec<_>>())?;
        let part = |(ticket, order): (_, &&Order)| JobTicket {
            consumer: Arc::clone(consumer),
            asset: order.asset.clone(),
            ticket,
        };
        Ok(Self { parts: tickets.into_iter().zip(orders).map(part).collect() })
    }

    /// The sums that these parts belong to, those of which one is missing left out.
    pub(super) fn gather(parts: impl Iterator<Item = JobTicket>) -> Result<Vec<Self>> {
        let mut rounds: BTreeMap<_, Vec<JobTicket>> = BTreeMap::new();
        for part in parts {
            if let Some(round) = part.request().round() {
                rounds.entry(round.digest()?).or_default().push(part);
            }
        }
        let whole = |mut parts: Vec<JobTicket>| {
            let place = |part: &JobTicket| {
                let parties = part.request().round()?.parties();
                parties.iter().position(|party| party.nullifier == part.request().nullifier)
            };
            parts.sort_by_key(place);
            let parties = parts[0].request().round().map_or(0, |round| round.parties().len());
            (parts.len() == parties).then_some(Self { parts })
        };
        Ok(rounds.into_values().filter_map(whole).collect())
    }
}

fn check_orders(consumer: &Arc<Inner>, orders: &[&Order]) -> Result<(), FederationError> {
    let wrong = |why: String| Err(FederationError::Orders(why));
    if !(MIN_PARTIES..=MAX_PARTIES).contains(&orders.len()) {
        let got = orders.len();
        return wrong(format!("expected one of each member's asset, {MIN_PARTIES} to {MAX_PARTIES} in all, got {got}"));
    }
    for (place, order) in orders.iter().enumerate() {
        if !Arc::ptr_eq(&order.consumer, consumer) {
            return wrong(format!("that of {} is another consumer's: order it with this one", order.asset.did()));
        }
        let owner = order.asset.owner();
        if orders[..place].iter().any(|other| other.asset.owner() == owner) {
            return wrong(format!(
                "an asset of {owner} is ordered twice, or two of its assets, and it takes part once"
            ));
        }
    }
    Ok(())
}

/// What two assets with different layouts of a plan differ in.
fn difference(first: &Asset, plan: &Plan, other: &Asset) -> String {
    let measures = plan.aggregates().iter().filter_map(|aggregate| aggregate.measure());
    let differs = |name: &str, dimension: bool| {
        let (Ok(one), Ok(two)) = (first.schema().column(name), other.schema().column(name)) else { return true };
        let same = match dimension {
            true => (&one.kind, &one.bins) == (&two.kind, &two.bins),
            false => one.scale() == two.scale() && first.policy().clamped(name) == other.policy().clamped(name),
        };
        !same || one.nullable != two.nullable
    };
    let named = plan.dimensions().map(|name| (name, true)).chain(measures.map(|name| (name, false)));
    match named.into_iter().find(|(name, dimension)| differs(name, *dimension)) {
        Some((name, _)) => format!("they declare {name:?} differently"),
        None => "their schemas list the columns of the query in different orders".into(),
    }
}

/// All parties see that one consumer asks them together, so that it hides among those who have ordered of all.
fn warn_of_small_crowd(consumer: &Arc<Inner>, orders: &[&Order]) -> Result<()> {
    let mut crowd: Option<HashSet<Address>> = None;
    for order in orders {
        let now = order.now()?;
        let hiding = consumer.exchange.with_group(order.service, |group| group.hiding(now, order.asset.owner()))?;
        crowd = Some(match crowd {
            Some(crowd) => crowd.intersection(&hiding).copied().collect(),
            None => hiding,
        });
    }
    let crowd = crowd.map_or(0, |crowd| crowd.len());
    if crowd < SMALLEST_ANONYMOUS_GROUP {
        tracing::warn!(
            crowd,
            "too few accounts have orders of all these assets to hide among: their owners can tell whose jobs they are"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::asset::{Column, Schema, Table, Terms};
    use crate::owner::{Offer, Owner};
    use crate::policy::Policy;
    use crate::program::{Aggregation, col, count, secret, sum};
    use crate::receipt::Statement;
    use crate::{Account, Exchange};

    const CSV: &str = "town,x\na,1\nb,2\na,3\nb,4\n";

    /// Two owners with the same few rows, a consumer's orders, and a request for their total.
    fn asked() -> (Vec<(Account, Owner)>, Vec<Order>, FederatedTicket) {
        let exchange = Exchange::in_memory().unwrap();
        let schema =
            Schema::new(vec![Column::category("town", ["a", "b"]).dimension(), Column::integer("x", 0, 9).measure()]);
        let table = Table::from_csv(schema.unwrap(), CSV.as_bytes()).unwrap();
        let owners: Vec<(Account, Owner)> = (0..2)
            .map(|_| {
                let account = Account::generate();
                let twin = Account::from_secret_bytes(&account.expose_secret_bytes()).unwrap();
                (twin, exchange.owner(account).unwrap())
            })
            .collect();
        let policy = Policy::deny_all()
            .dimensions(["town"])
            .measures(["x"])
            .aggregations([Aggregation::Count, Aggregation::Sum])
            .any_program()
            .min_group_size(1)
            .federation(owners.iter().map(|(_, owner)| owner.member()));
        let consumer = exchange.consumer(Account::generate()).unwrap();
        let orders: Vec<Order> = owners
            .iter()
            .map(|(_, owner)| {
                let offer = Offer::new("towns", &table, policy.clone(), Terms::free(9));
                let asset = owner.publish(&offer).unwrap().asset;
                consumer.buy(&asset, 1).unwrap();
                consumer.order(&asset).unwrap()
            })
            .collect();
        let query = Query::select([count(), sum("x")]).filter(col("town").eq(secret("b")));
        let ticket = consumer.request_federated(&orders.iter().collect::<Vec<_>>(), &query).unwrap();
        (owners, orders, ticket)
    }

    /// A consumer of its own making proves whatever it likes.
    #[test]
    fn a_node_refuses_a_round_that_does_not_describe_its_part() {
        let (owners, orders, mut ticket) = asked();
        let node = owners[0].1.node();
        let honest = ticket.parts[0].ticket.request.clone();
        let key = orders[0].consumer.exchange.proving_key(&orders[0].asset).unwrap();
        type Change = fn(&mut Round);
        let changes: [(&str, Change); 6] = [
            ("laid out", |round| round.layout = Digest::sha256(b"another")),
            ("narrower", |round| round.widths[0] = 1),
            ("another number of widths", |round| {
                round.widths.pop();
            }),
            ("none of its parties", |round| round.parties[0].nullifier[5] ^= 1),
            ("none of its parties", |round| round.parties[0].data = Digest::sha256(b"old")),
            ("takes part twice", |round| round.parties[1].owner = round.parties[0].owner),
        ];
        for (expected, change) in changes {
            let mut request = honest.clone();
            change(request.round.as_mut().unwrap());
            let (membership, _) = orders[0].membership(request.now).unwrap();
            orders[0].prove(&mut request, &key, &membership, ticket.parts[0].ticket.use_index).unwrap();
            assert_eq!(node.run(request).unwrap_err().to_string(), "rejected");
            let reason = node.refusals().last().unwrap().reason.clone();
            assert!(reason.contains(expected), "{reason}");
        }
        // Nothing was spent by any of these.
        let results: Vec<_> =
            owners.iter().zip(ticket.requests()).map(|((_, owner), r)| owner.node().run(r.clone()).unwrap()).collect();
        let answer = ticket.open(&results).unwrap();
        assert_eq!(answer.numbers("sum(x)").unwrap().to_f64(), [Some(12.0)]);
        ticket.renew().unwrap();
    }

    #[test]
    fn an_owner_whose_node_computes_otherwise_gives_no_answer() {
        let (owners, _, ticket) = asked();
        let mut results: Vec<_> =
            owners.iter().zip(ticket.requests()).map(|((_, owner), r)| owner.node().run(r.clone()).unwrap()).collect();
        ticket.open(&results).unwrap();
        // The second owner signs other bytes than its node computed.
        let part = &ticket.parts[1];
        let share = results[1].0.unseal(&part.ticket.result_key).unwrap();
        let forge = |bytes: &[u8]| {
            let request = &part.ticket.request;
            let result = SealedResult::seal(part.job(), request.result_key, bytes).unwrap();
            let statement = Statement { result: result.digest().unwrap(), ..results[1].1.statement().clone() };
            (result, Receipt::sign(statement, &owners[1].0).unwrap())
        };
        let mut flipped = share.clone();
        *flipped.last_mut().unwrap() ^= 1 << 3;
        let mut moved = share.clone();
        moved[2] = 0;
        let forged =
            [flipped, moved, share[..share.len() - 1].to_vec(), b"none".to_vec(), Vec::new()].map(|b| forge(&b));
        for forged in forged {
            results[1] = forged;
            let error = ticket.open(&results).unwrap_err();
            assert!(
                matches!(&error, crate::Error::Federation(e) if matches!(**e, FederationError::NoAnswer)),
                "{error:?}"
            );
        }
    }
}
