//! One query to several owners, of which only the sum opens. See [`federation`](crate::federation).

use std::collections::BTreeMap;
use std::sync::Arc;

use sealock_fhe::linear::{AnswerShare, MAX_PARTIES};
use serde_bytes::ByteBuf;
use zeroize::Zeroizing;

use super::consumer::Inner;
use super::ticket::query_key;
use super::{JobTicket, Order, OrderError};
use crate::error::Result;
use crate::exchange::Asset;
use crate::federation::{FederationError, MIN_PARTIES, Party, Round};
use crate::job::{JobId, JobRequest};
use crate::node::summed;
use crate::program::{Plan, Program, Query};
use crate::progress::{Progress, Stage, Step, inform, tell};
use crate::receipt::Receipt;
use crate::release::{Answer, SealedResult};

/// The consumer's half of a sum: the requests to send, one to each owner's node, and the keys that open the sum of the
/// results.
#[derive(Debug)]
pub struct FederatedTicket {
    /// In the order of the round's parties, at least one.
    parts: Vec<JobTicket>,
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

    /// Proves every request again: see [`JobTicket::renew`].
    ///
    /// # Errors
    /// As [`JobTicket::renew`], for the first that fails.
    pub fn renew(&mut self) -> Result<()> {
        self.parts.iter_mut().try_for_each(JobTicket::renew)
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
                (None, _) => Err(FederationError::Results(format!("that of {} is missing", ticket.asset.did()))),
                (Some(_), Some(_)) => Err(FederationError::Results(format!("{} has two", ticket.asset.did()))),
            }
        };
        if results.len() > self.parts.len() {
            let why = format!("{} came for {} parts", results.len(), self.parts.len());
            return Err(FederationError::Results(why).into());
        }
        let mut shares = Vec::with_capacity(self.parts.len());
        for ticket in &self.parts {
            let (result, receipt) = results_of(ticket)?;
            ticket.check_receipt(result, receipt)?;
            shares.push(AnswerShare::from_bytes(&result.unseal(&ticket.ticket.result_key)?)?);
        }
        let first = &self.parts[0];
        let (asset, ticket) = (&first.asset, &first.ticket);
        let schema = asset.schema();
        let plan = Program::from_bytes(&ticket.request.program)?.plan(schema)?;
        let round = ticket.request.round().ok_or_else(|| FederationError::Round("it is missing".into()))?;
        let shape = summed(&plan, &round.widths, self.parts.len()).map_err(OrderError::Unanswerable)?;
        let numbers = query_key(&ticket.seed).decrypt(&AnswerShare::sum(shares)?, &shape)?;
        let widest = |bits: u8| (self.parts.len() as i128) << (bits - 1);
        if numbers.iter().zip(shape.value_bits()).any(|(number, &bits)| number.abs() > widest(bits)) {
            return Err(FederationError::NoAnswer.into());
        }
        let exact = self.parts.iter().all(|part| part.asset.policy().noise().is_none());
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
        let mut laid_out: Vec<(Program, Plan)> = Vec::with_capacity(orders.len());
        let mut widths: Vec<u8> = Vec::new();
        for order in orders {
            order.check_current()?;
            let (program, plan, shape) = order.asset.lay_out(query, Some(order.now()?))?;
            if let Some((_, plan_of_first)) = laid_out.first() {
                check_same_cells(&orders[0].asset, plan_of_first, &order.asset, &plan)?;
            }
            let own = &shape.value_bits()[..plan.width()];
            widths.resize(own.len(), 0);
            widths.iter_mut().zip(own).for_each(|(widest, &bits)| *widest = (*widest).max(bits));
            laid_out.push((program, plan));
        }
        let (program, plan) = &laid_out[0];
        let shape = summed(plan, &widths, orders.len()).map_err(OrderError::Unanswerable)?;
        let indicator = Zeroizing::new(plan.indicator(orders[0].asset.schema(), query)?);
        let mut parties = Vec::with_capacity(orders.len());
        for order in orders {
            parties.push(Party::of(&order.asset, [0; 32])?);
        }
        let mut round = Round { parties, widths: ByteBuf::from(widths) };
        orders.iter().try_for_each(|order| order.asset.policy().check_round(Some(&round)))?;
        let mut loaded = Vec::with_capacity(orders.len());
        for order in orders {
            loaded.push(order.load(progress)?);
        }
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
        return wrong(format!("expected {MIN_PARTIES} to {MAX_PARTIES} of them, got {}", orders.len()));
    }
    for (place, order) in orders.iter().enumerate() {
        if !Arc::ptr_eq(&order.consumer, consumer) {
            return wrong(format!("that of {} is another consumer's", order.asset.did()));
        }
        let owner = order.asset.owner();
        if orders[..place].iter().any(|other| other.asset.owner() == owner) {
            return wrong(format!("{owner} owns two of the assets, and takes part once"));
        }
    }
    Ok(())
}

/// Checks that a plan says the same of two assets: that its cells and groups are the same, in the same order, and that its
/// numbers count in the same units.
fn check_same_cells(first: &Asset, plan: &Plan, other: &Asset, others: &Plan) -> Result<()> {
    let differs = |why: String| FederationError::OtherCells { did: other.did(), first: first.did(), why };
    let measures = plan.aggregates().iter().filter_map(|aggregate| aggregate.measure());
    for (name, dimension) in plan.dimensions().map(|name| (name, true)).chain(measures.map(|name| (name, false))) {
        let (one, two) = (first.schema().column(name)?, other.schema().column(name)?);
        let same = match dimension {
            true => (&one.kind, &one.bins) == (&two.kind, &two.bins),
            // Ranges may differ: sums do not depend on them.
            false => one.scale() == two.scale(),
        };
        if !same || one.nullable != two.nullable {
            return Err(differs(format!("they declare {name:?} differently")).into());
        }
    }
    if plan != others {
        return Err(differs("the query is another program there".into()).into());
    }
    Ok(())
}
