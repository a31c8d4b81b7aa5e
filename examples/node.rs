//! Owner and consumer as two processes: the insurer of `story.rs` runs a compute node of its own, and a researcher has
//! nothing but its address. The node is killed while it has a job, and started again: the job is not lost, and costs nothing
//! twice.
//!
//! The insurer's side is the command `sealock-node`, as anybody would use it; this program is the researcher, and the hand
//! that pulls the plug. Data: the RAND Health Insurance Experiment (see `examples/data/README.md`).

#[path = "data/records.rs"]
mod records;

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use records::{HEALTH, Records, schema};
use sealock::policy::Policy;
use sealock::program::{Aggregation, Query, col, count, mean, secret};
use sealock::protocol::JobState;
use sealock::{Account, Exchange};

type Any<T> = Result<T, Box<dyn Error>>;

fn main() -> Any<()> {
    let folder = std::env::temp_dir().join(format!("sealock-node-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let outcome = demo(&folder);
    let _ = std::fs::remove_dir_all(&folder);
    outcome
}

fn demo(folder: &Path) -> Any<()> {
    let records = Records::read()?;
    let insurer = folder.join("insurer");

    say("The insurer makes a node's folder and puts its table on offer:");
    run(&insurer, &["init"])?;
    let (data, offer) = (insurer.join("records.csv"), insurer.join("offer.json"));
    records.write_csv(&data)?;
    std::fs::write(&offer, offered()?.to_string())?;
    run(&insurer, &["publish", text(&data)?, "--offer", text(&offer)?])?;

    say("It runs the node:");
    let mut node = Process::start(&insurer, "127.0.0.1:0")?;

    say("A researcher, in this process, connects: it follows the ledger, and checks every transaction of it.");
    let exchange = Exchange::connect(&node.url, folder.join("researcher"))?;
    let asset = exchange.assets()?.into_iter().next().ok_or("the node has no asset")?;
    println!("   {}: {}", asset.did(), asset.description().metadata.name);
    // Some others order, too: among them the researcher hides.
    let mut orders = Vec::new();
    for _ in 0..4 {
        let consumer = exchange.consumer(Account::generate())?;
        consumer.buy(&asset, 1)?;
        let order = consumer.order(&asset)?;
        orders.push((consumer, order));
    }
    let (_, order) = &orders[2];
    let query = Query::select([mean("visits"), count()])
        .filter(col("cost_share").is_in(secret(["25-50%", "95-100%"])) & col("chronic").ge(secret(10)))
        .group_by(["health"]);
    let ticket = order.request(&query)?;

    say("It sends its request. The node acknowledges it, and is killed at once (SIGKILL).");
    let remote = exchange.node().ok_or("the exchange is far away")?;
    let status = remote.submit(ticket.request())?;
    node.kill()?;
    println!("   acknowledged as {:?}; what the node has on record now that it is dead:", status.state);
    run(&insurer, &["jobs"])?;

    say("The node is started again, where it was. The researcher asks for its job, and gets the answer.");
    let listen = node.url.strip_prefix("http://").ok_or("the node speaks HTTP")?.to_owned();
    let mut node = Process::start(&insurer, &listen)?;
    let (result, receipt) = remote.run(ticket.request().clone())?;
    let answer = ticket.open(&result, &receipt)?;
    println!("{answer}\n   computed on the plaintext, without any of this:");
    let groups = answer.group("health").ok_or("the answer is grouped by health")?;
    let means = answer.numbers("mean(visits)").ok_or("the answer has a mean")?.to_f64();
    let counts = answer.numbers("count").ok_or("the answer has a count")?.to_f64();
    for (row, (group, (visits, people))) in HEALTH.iter().zip(records.plain_answer()).enumerate() {
        let plain = visits as f64 / people as f64;
        println!("   {group:<10} mean {plain:.6}  count {people}");
        if (groups[row].as_deref(), counts[row], means[row]) != (Some(*group), Some(people as f64), Some(plain)) {
            return Err("the answer differs from the plaintext answer".into());
        }
    }
    println!("   The answer is the plaintext answer.");

    say("The same request again, as after a lost answer, finds the same job:");
    let (again, _) = remote.run(ticket.request().clone())?;
    if again != result || remote.status(ticket.request())?.state != JobState::Complete {
        return Err("the same request again does not give the same result".into());
    }
    println!("   the same result, and no second use spent: {} uses left of 3", order.uses_left()?);

    say("The node stops in its own time (SIGTERM), and its receipts are checked:");
    node.terminate()?;
    run(&insurer, &["receipts", "verify"])?;
    Ok(())
}

fn say(what: &str) {
    println!("\n-- {what}");
}

fn text(path: &Path) -> Any<&str> {
    Ok(path.to_str().ok_or("the path is no text")?)
}

/// What the insurer offers, as a file.
fn offered() -> Any<serde_json::Value> {
    let policy = Policy::deny_all()
        .dimensions(["health", "cost_share", "chronic"])
        .measures(["visits"])
        .aggregations([Aggregation::Count, Aggregation::Mean])
        .any_program()
        .min_group_size(5)
        .purpose("public health research");
    Ok(serde_json::json!({
        "name": "RAND Health Insurance Experiment",
        "description": "Outpatient visits to a physician per person and year, with health and cost sharing.",
        "author": "RAND Corporation",
        "license": "public domain",
        "tags": ["health", "insurance"],
        "schema": schema()?,
        "policy": policy.to_json()?,
        "terms": {"price": {"free": {"max_per_account": 1}}, "uses_per_order": 3, "valid_for": 30 * 86_400},
    }))
}

/// `sealock-node`, which is built beside this program's folder.
fn sealock_node(folder: &Path) -> Any<Command> {
    let here = std::env::current_exe()?;
    let built: PathBuf = here.parent().and_then(Path::parent).ok_or("no folder")?.join("sealock-node");
    let mut command = Command::new(built);
    command.arg("--folder").arg(folder).env("SEALOCK_PASSPHRASE", "a passphrase of a demonstration");
    Ok(command)
}

fn run(folder: &Path, arguments: &[&str]) -> Any<()> {
    println!("   $ sealock-node {}", arguments.join(" "));
    let output = sealock_node(folder)?.args(arguments).output()?;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        println!("   {line}");
    }
    if !output.status.success() {
        std::io::stderr().write_all(&output.stderr)?;
        return Err(format!("sealock-node {} failed", arguments.join(" ")).into());
    }
    Ok(())
}

/// A node that runs.
struct Process {
    child: Child,
    url: String,
}

impl Process {
    fn start(folder: &Path, listen: &str) -> Any<Self> {
        println!("   $ sealock-node serve");
        let mut child = sealock_node(folder)?
            .args(["--listen", listen, "--admin-listen", "127.0.0.1:0", "--log", "warn", "serve"])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let said: serde_json::Value = serde_json::from_str(&line)?;
        let url = said["url"].as_str().ok_or("the node does not say where it is")?.to_owned();
        println!(
            "   {} at {url}, its page at {}",
            said["address"].as_str().unwrap_or("?"),
            said["admin"].as_str().unwrap_or("?")
        );
        Ok(Self { child, url })
    }

    fn kill(&mut self) -> Any<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn terminate(&mut self) -> Any<()> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        let status = self.child.wait()?;
        println!("   it ended with {status}");
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}
