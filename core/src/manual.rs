//! The manual: documentation without code.
//!
//! # Who is who
//!
//! - The **owner** has data and a policy, and runs the [node](crate::node) that answers for it. It learns which program
//!   shape ran and when. It does not learn who asked, the literals marked [`secret`](crate::program::secret), or the answer to a question that has any.
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
//! asking, and reach the node in a way that does not name you: the proof hides the order, not the network address. You hide
//! among the accounts that have an unexpired order; fewer than three are no crowd, and the library logs a warning
//! ([`Group::crowd`](crate::access::Group::crowd)). An owner can order its own asset under other names.
//!
//! A request that was admitted and got no response is sent again as it is, at any time. One that never arrived is good for
//! a few minutes; [`JobTicket::renew`](crate::order::JobTicket::renew) proves it again for the same use.
//! [`Consumer::tickets`](crate::order::Consumer::tickets) has every request that was made.
//!
//! On a column with bins, `<` and `>=` take a bin's lower edge, `<=` and `>` a bin's last value; anything else would cut a
//! bin and is refused. Null is as in SQL: a comparison with it holds neither as it is nor negated. The mean of a column
//! with nulls is over the rows that have a value.
//!
//! # Executors that the owner does not trust
//!
//! An asset [offered as sealed](crate::owner::Offer::sealed) is computed on by executors, who have encrypted columns and no key.
//! They read the program, so that no literal of it can be secret, and neither values nor answers. The owner's
//! [`Releaser`](crate::sealed::Releaser) opens what they return: see [`sealed`](crate::sealed) for what it checks before.
//!
//! # The data itself
//!
//! A policy with [`allow_download`](crate::policy::Policy::allow_download) sells the data, too:
//! [`order_download`](crate::order::Consumer::order_download), [`request`](crate::order::DownloadOrder::request), and what the
//! node releases [opens](crate::order::DownloadTicket::open) to a [`Download`](crate::download::Download). It is the same
//! proof, which says that somebody has paid and not who. Named recipients need no order:
//! [`Owner::share`](crate::owner::Owner::share) and [`Exchange::open_shared`](crate::Exchange::open_shared).
//!
//! Whoever has decrypted data has it for good. [`reencrypt`](crate::owner::Owner::reencrypt) closes what comes after to the
//! keys from before, [`update`](crate::owner::Owner::update) brings other data, and
//! [`destroy_key`](crate::owner::Owner::destroy_key) ends it with a signed receipt. None of them takes back what was read.
//!
//! # Models
//!
//! A linear [`Model`](crate::model::Model) is published like a table ([`Offer::model`](crate::owner::Offer::model)) under a policy
//! with [`allow_inference`](crate::policy::Policy::allow_inference). A consumer makes
//! [`vectors`](crate::exchange::Asset::vectors), asks with [`infer`](crate::order::Order::infer), and opens the result to a
//! [`Prediction`](crate::model::Prediction) whose scores are exact. One more vector than it has features tells a model's
//! coefficients to whoever has the scores: see [`model`](crate::model).
//!
//! # Several owners, one total
//!
//! Owners whose policies name each other ([`Policy::federation`](crate::policy::Policy::federation),
//! [`Owner::member`](crate::owner::Owner::member)) answer one question together.
//! [`Consumer::request_federated`](crate::order::Consumer::request_federated) makes a request for each of their nodes, and
//! [`FederatedTicket::open`](crate::order::FederatedTicket::open) opens the sum of all results; fewer open nothing. See
//! [`federation`](crate::federation).
//!
//! # What an answer can be made of
//!
//! All answers of an asset are sums over one cube, whose cells are the combinations of all the policy's dimensions. Cells with
//! fewer than `min_group_size` rows were zeroed, and so were measures with fewer values, or fewer missing values, than
//! that: a sum over a nullable column can cover fewer rows than the count beside it. [`Suppression`](crate::cube::Suppression) tells the owner how many values that withholds. Two answers never
//! differ by fewer rows, however they were asked. Rows are not people: where one person may have several, declare the column
//! that says whose they are as an *entity*, and name it with [`Policy::entity`](crate::policy::Policy::entity): then distinct
//! people are counted in each of these places. That bounds how few people a sum is over, and not how much of it one of them
//! makes up: where one has nearly all, the sum tells theirs. An owner must assume that a consumer who pays for enough
//! jobs learns that whole cube. A cell that is zero may be empty or withheld.
//!
//! Large cells are exact, unless the policy says how much privacy may be lost: [`epsilon`](crate::policy::Policy::epsilon) draws
//! noise for each job, [`protected_cube`](crate::policy::Policy::protected_cube) once for all of them. [`privacy`](crate::privacy)
//! says what that promises. Limit it with [`epsilon_per_asset`](crate::policy::Policy::epsilon_per_asset), narrow measures with
//! [`clamp`](crate::policy::Policy::clamp), and look at the errors of an [`estimate`](crate::exchange::Asset::estimate) before you
//! publish for good; [`Node::budget`](crate::node::Node::budget) tells what is spent.
//!
//! # Owner and consumer far from each other
//!
//! The owner serves its node (`sealock-node`, or `server::Server` with the feature `server`), and a consumer connects
//! (`Exchange::connect`, feature `client`): what was said above holds from afar. `docs/node.md` says what each then learns.
//!
//! # What to keep, and what to back up
//!
//! - An **account's secret key** ([`Account::expose_secret_bytes`](crate::Account::expose_secret_bytes)) finds a consumer's orders
//!   again and signs for an owner. Without it both are lost.
//! - An owner's **key store** ([`KeyStore`](crate::keystore::KeyStore), or `state/keys-….age`) opens the owner's data, and
//!   nothing else does. Copy it whenever an asset was published or encrypted anew. Destroy the copies that hold a key that is
//!   to be destroyed.
//! - An owner's **journal** (`state/node-….redb`) knows which uses and how much privacy are spent, and has the protected cubes.
//!   Never run a node on an old copy: what was spent since could be spent again. Without it the node refuses to start for assets that it published.
//! - A consumer's **wallet** (`state/wallet-….redb`) has the keys of results that are under way and counts the uses. Without
//!   it, [`Order::request_use`](crate::order::Order::request_use) asks with a use of your choice.
//! - The **ledger** (`ledger.redb`) and the **store** (`store/`): everybody's tokens, and the ciphertext.
//!
//! # What is not there
//!
//! No proof of honest computation, no audit. See `docs/threat-model.md`.
