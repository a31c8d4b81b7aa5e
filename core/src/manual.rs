//! The manual: documentation without code.
//!
//! # Who is who
//!
//! - The **owner** has data and a policy, and runs the [node](crate::node) that answers for it. It learns which program
//!   shape ran and when. It does not learn who asked, the literals marked [`secret`](crate::program::secret), or the answer.
//! - The **consumer** has an account, pays with a datatoken, and learns the answers it paid for.
//! - The **store** keeps blocks and learns their sizes.
//! - The **ledger** keeps tokens and orders and learns who paid, and when. Not which job was theirs.
//!
//! # Publishing
//!
//! 1. Declare a [`Schema`](crate::asset::Schema): each column's type, domain and role. What is to be filtered or grouped by
//!    is a *dimension* and has few cells: categories, or bins. What is to be summed is a *measure*.
//! 2. Read a [`Table`](crate::asset::Table) that keeps to it.
//! 3. Allow something: [`Policy::deny_all`](crate::policy::Policy::deny_all) and then dimensions, measures, aggregations and
//!    programs.
//! 4. [`Owner::publish`](crate::owner::Owner::publish), and look at the
//!    [`Suppression`](crate::cube::Suppression) it reports. If much is withheld, bin more coarsely. Bins chosen by looking at
//!    the data say something about the data; choose them beforehand where that matters.
//!
//! # Asking
//!
//! [`Consumer::buy`](crate::order::Consumer::buy), [`order`](crate::order::Consumer::order), and then any number of
//! [`request`](crate::order::Order::request)s up to the order's limit. To be anonymous, let time pass between ordering and
//! asking, and reach the node in a way that does not name you: the proof hides the order, not the network address. A group
//! of one or two orders hides nobody, and the library logs a warning.
//!
//! A request that got no response is sent again as it is: [`Consumer::tickets`](crate::order::Consumer::tickets) has it.
//!
//! # What an answer can be made of
//!
//! All answers of an asset are sums over one cube in which every cell with fewer than `min_group_size` rows was zeroed. Two
//! answers never differ by a small cell, however they were asked. An owner must assume that a consumer who pays for enough
//! jobs learns that whole cube. A cell that is zero may be empty or withheld.
//!
//! # What is not there
//!
//! No proof of honest computation, no differential privacy, no check of the owner's proving key by the consumer, no audit.
//! See `docs/threat-model.md`.
