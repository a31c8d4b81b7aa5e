//! Terms and offers
//!
//! Terms say what an order costs and gives. An offer says what to publish, and under which conditions.

use std::ffi::c_char;
use std::sync::{Arc, Mutex};

use sealock::asset::{Table, Terms};
use sealock::envelope::RecipientPublicKey;
use sealock::model::Model;
use sealock::owner::Offer;
use sealock::policy::Policy;
use sealock::sealed::SealedOptions;

use crate::call::{call, free};
use crate::column::{change, current};
use crate::error::{Failure, sealock_error, sealock_status};
use crate::handle::{find, handles};
use crate::model::sealock_model;
use crate::policy::sealock_policy;
use crate::table::sealock_table;

/// What an order costs and gives.
///
/// Made by: `sealock_terms_free_of_charge`, `sealock_terms_fixed`. Freed by: `sealock_terms_free`. An offer copies it.
/// Thread-safe.
pub struct sealock_terms {
    _opaque: (),
}

/// What to publish, and under which conditions.
///
/// Made by: `sealock_offer_new`, `sealock_offer_new_model`. Freed by: `sealock_offer_free`. It holds the table or the model. Thread-safe.
pub struct sealock_offer {
    _opaque: (),
}

handles! { sealock_terms => Mutex<Terms>, sealock_offer => Mutex<Draft> }

/// What is offered.
#[derive(Clone)]
enum Content {
    Table(Arc<Table>),
    Model(Arc<Model>),
}

/// An offer without its content's lifetime.
#[derive(Clone)]
pub(crate) struct Draft {
    name: String,
    content: Content,
    policy: Policy,
    terms: Terms,
    set: Vec<(Text, String)>,
    tags: Vec<String>,
    cap: Option<u64>,
    recipients: Vec<RecipientPublicKey>,
    sealed: Option<Sealing>,
}

/// How the columns are encrypted for executors. The dimensions in the clear are apart, so that they can be replaced.
#[derive(Clone, Default)]
struct Sealing {
    options: SealedOptions,
    public: Vec<String>,
}

#[derive(Clone, Copy)]
enum Text {
    Description,
    Author,
    License,
    Symbol,
    Endpoint,
}

impl Draft {
    fn new(name: String, content: Content, policy: Policy, terms: Terms) -> Self {
        let (set, tags, recipients) = Default::default();
        Self { name, content, policy, terms, set, tags, cap: None, recipients, sealed: None }
    }

    pub(crate) fn offer(&self) -> Offer<'_> {
        let (policy, terms) = (self.policy.clone(), self.terms.clone());
        let offer = match &self.content {
            Content::Table(table) => Offer::new(&*self.name, table, policy, terms),
            Content::Model(model) => Offer::model(&*self.name, model, policy, terms),
        };
        let mut offer = offer.tags(&self.tags).recipients(self.recipients.iter().copied());
        for (which, text) in &self.set {
            offer = match which {
                Text::Description => offer.description(text),
                Text::Author => offer.author(text),
                Text::License => offer.license(text),
                Text::Symbol => offer.symbol(text),
                Text::Endpoint => offer.endpoint(text),
            };
        }
        if let Some(Sealing { options, public }) = &self.sealed {
            offer = offer.sealed(options.clone().public(public));
        }
        match self.cap {
            Some(cap) => offer.cap(cap),
            None => offer,
        }
    }
}

/// Datatokens for nothing. An account that holds `max_per_account` of them is given no more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_terms_free_of_charge(
    max_per_account: u64,
    out: *mut *mut sealock_terms,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        c.out("out", out)?.issue(Mutex::new(Terms::free(max_per_account)));
    })
}

/// Datatokens at `amount` of the token `base_token` each.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_terms_fixed(
    base_token: *const u8,
    base_token_length: usize,
    amount: *const c_char,
    out: *mut *mut sealock_terms,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let base_token = c.address("base_token", base_token, base_token_length)?;
        out.issue(Mutex::new(Terms::fixed(base_token, c.amount("amount", amount)?)));
    })
}

/// How many jobs one order admits; 10 if not said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_terms_uses_per_order(
    terms: *mut sealock_terms,
    uses: u64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        change(terms, |terms: Terms| Ok(terms.uses_per_order(uses)))?;
    })
}

/// For how many seconds an order admits jobs; 30 days if not said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_terms_valid_for(
    terms: *mut sealock_terms,
    seconds: u64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        change(terms, |terms: Terms| Ok(terms.valid_for(seconds)))?;
    })
}

/// Gives an order its uses anew in every epoch of so many seconds, counted from 1970-01-01 UTC: so many a day for 86,400. If not
/// said, it has them once. Whole minutes, at least ten, and no more than the order's validity: `sealock_owner_publish` looks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_terms_renewed_every(
    terms: *mut sealock_terms,
    seconds: u64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        change(terms, |terms: Terms| Ok(terms.renewed_every(seconds)))?;
    })
}

/// Frees terms. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_terms_free(terms: *mut sealock_terms) -> sealock_status {
    free(terms)
}

/// Offers a table under a name of 4 to 128 characters. Policy and terms are copied; the table is shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_offer_new(
    name: *const c_char,
    table: *const sealock_table,
    policy: *const sealock_policy,
    terms: *const sealock_terms,
    out: *mut *mut sealock_offer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let name = c.text("name", name)?.to_owned();
        out.issue(Mutex::new(Draft::new(name, Content::Table(find(table)?), current(policy)?, current(terms)?)));
    })
}

/// Offers a model under a name of 4 to 128 characters. Policy and terms are copied; the model is shared. The policy needs
/// `sealock_policy_allow_inference`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_offer_new_model(
    name: *const c_char,
    model: *const sealock_model,
    policy: *const sealock_policy,
    terms: *const sealock_terms,
    out: *mut *mut sealock_offer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let name = c.text("name", name)?.to_owned();
        out.issue(Mutex::new(Draft::new(name, Content::Model(find(model)?), current(policy)?, current(terms)?)));
    })
}

fn set(offer: *mut sealock_offer, which: Text, text: *const c_char, error: *mut *mut sealock_error) -> sealock_status {
    call!(error, |c| {
        let text = c.text("text", text)?.to_owned();
        change(offer, |mut draft: Draft| {
            draft.set.push((which, text));
            Ok(draft)
        })?;
    })
}

/// What the table is, in 10 to 7000 characters.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_offer_description(
    offer: *mut sealock_offer,
    text: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    set(offer, Text::Description, text, error)
}

/// Who made it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_offer_author(
    offer: *mut sealock_offer,
    text: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    set(offer, Text::Author, text, error)
}

/// Its licence, for instance an SPDX identifier.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_offer_license(
    offer: *mut sealock_offer,
    text: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    set(offer, Text::License, text, error)
}

/// The datatoken's symbol.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_offer_symbol(
    offer: *mut sealock_offer,
    text: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    set(offer, Text::Symbol, text, error)
}

/// Where its node is reached.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_offer_endpoint(
    offer: *mut sealock_offer,
    text: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    set(offer, Text::Endpoint, text, error)
}

/// What it is found by. Called again, it replaces.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_offer_tags(
    offer: *mut sealock_offer,
    tags: *const *const c_char,
    count: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let tags = c.texts("tags", tags, count)?;
        change(offer, |draft: Draft| Ok(Draft { tags, ..draft }))?;
    })
}

/// How many datatokens may exist; any number if not said. Ocean's standard datatokens have no cap, and take none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_offer_cap(
    offer: *mut sealock_offer,
    datatokens: u64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        change(offer, |draft: Draft| Ok(Draft { cap: Some(datatokens), ..draft }))?;
    })
}

/// Who may decrypt the data without an order, as in `sealock_owner_share`. Called again, it replaces.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_offer_recipients(
    offer: *mut sealock_offer,
    recipients: *const u8,
    recipients_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let recipients = c.recipients("recipients", recipients, recipients_length)?;
        change(offer, |draft: Draft| Ok(Draft { recipients, ..draft }))?;
    })
}

fn seal(offer: *mut sealock_offer, how: impl FnOnce(Sealing) -> Sealing) -> Result<(), Failure> {
    change(offer, |draft: Draft| {
        let sealed = Some(how(draft.sealed.unwrap_or_default()));
        Ok(Draft { sealed, ..draft })
    })
}

/// Publishes the table as sealed data: beside what is published otherwise, its columns are encrypted so that executors compute
/// on them without reading them. Queries then have no secret literals, and are answered by a releaser with the results of
/// executors: see `sealock_releaser`. Of a model, `sealock_owner_publish` refuses it.
///
/// Each `sealock_offer_seal_` function does the same, and says how. What is not said: no dimension in the clear, 512 rows in a
/// chunk, a canary for each eight chunks, one executor's result suffices, and many rows are packed as well: see
/// `sealock_offer_seal_packed`.
/// `sealock_owner_publish` checks it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_offer_seal(
    offer: *mut sealock_offer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        seal(offer, |sealing| sealing)?;
    })
}

/// Dimensions that stay in the clear: **everybody sees each row's cell of them**, all together. Grouping and filtering by them
/// costs nothing. With the exact counts of answers they can tell an executor which chunks are canaries. Called again, it
/// replaces.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_offer_seal_public(
    offer: *mut sealock_offer,
    columns: *const *const c_char,
    count: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let public = c.texts("columns", columns, count)?;
        seal(offer, |sealing| Sealing { public, ..sealing })?;
    })
}

/// At most so many rows in a chunk, 1 to 512. Smaller chunks are more parts of a task, more bytes of results, and more canaries
/// to be caught by. Packed chunks have up to 8,192 rows, whatever is said here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_offer_seal_rows_per_chunk(
    offer: *mut sealock_offer,
    rows: u32,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        seal(offer, |sealing| Sealing { options: sealing.options.rows_per_chunk(rows as usize), ..sealing })?;
    })
}

/// Mixes so many chunks of made-up rows among the others, and in proportion among the packed ones, whose answers the owner knows. With 0,
/// a wrong result is found by `sealock_offer_seal_quorum` alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_offer_seal_canaries(
    offer: *mut sealock_offer,
    chunks: u32,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        seal(offer, |sealing| Sealing { options: sealing.options.canaries(chunks as usize), ..sealing })?;
    })
}

/// Releases only what so many executors agree on, 1 to 16.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_offer_seal_quorum(
    offer: *mut sealock_offer,
    executors: u8,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        seal(offer, |sealing| Sealing { options: sealing.options.quorum(executors), ..sealing })?;
    })
}

/// Whether the same rows are encrypted a second time, packed: programs with filters of few digits are then computed without
/// bootstraps and without an evaluation key. It costs storage, for each 8,192 rows or fewer 29 MB for a dimension of 16 bits.
/// If not said, rows without public dimensions are packed, 2,048 or more, if that takes at most 64 MiB or four times the bytes of the
/// other chunks. With public dimensions it gives the canaries away: ask for a quorum of two or more. 0 is no, anything else is yes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_offer_seal_packed(
    offer: *mut sealock_offer,
    packed: i32,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        seal(offer, |sealing| Sealing { options: sealing.options.packed(packed != 0), ..sealing })?;
    })
}

/// Frees an offer. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_offer_free(offer: *mut sealock_offer) -> sealock_status {
    free(offer)
}
