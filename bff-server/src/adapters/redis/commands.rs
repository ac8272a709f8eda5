//! Every command that is sent to Redis: what an account needs, what a probe tries, and what the guide lists. A test compares
//! it with what a real Redis was sent.

/// Who needs a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Logins, requests, refreshes and logouts.
    Sessions,
    /// Something that goes on without it, which says so.
    Useful(&'static str),
    /// The doctor's closer look.
    Doctor,
}

/// One command.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// As `ACL SETUSER` spells it after the plus.
    pub name: &'static str,
    /// Who needs it.
    pub need: Need,
    /// With what it can be tried, on a key of no importance (`K`, and `Z` for a sorted set).
    trial: &'static [&'static str],
}

const fn sessions(name: &'static str, trial: &'static [&'static str]) -> Command {
    Command { name, need: Need::Sessions, trial }
}

const fn useful(name: &'static str, what: &'static str) -> Command {
    Command { name, need: Need::Useful(what), trial: &[] }
}

const fn doctor(name: &'static str) -> Command {
    Command { name, need: Need::Doctor, trial: &[] }
}

/// Sent by themselves or within scripts: an account needs the right to either.
pub const COMMANDS: &[Command] = &[
    sessions("get", &["K"]),
    sessions("set", &["K", "1", "PX", "1000"]),
    sessions("exists", &["K"]),
    sessions("getrange", &["K", "0", "7"]),
    sessions("del", &["K"]),
    sessions("pexpire", &["K", "1000"]),
    sessions("pttl", &["K"]),
    sessions("zadd", &["Z", "1", "member"]),
    sessions("zrem", &["Z", "member"]),
    sessions("zcard", &["Z"]),
    sessions("zrange", &["Z", "0", "-1"]),
    sessions("zrangebyscore", &["Z", "-inf", "0"]),
    sessions("zremrangebyscore", &["Z", "-inf", "0"]),
    sessions("time", &[]),
    sessions("evalsha", &["0000000000000000000000000000000000000000", "1", "K"]),
    sessions("eval", &["return 1", "1", "K"]),
    useful("mget", "sessions are read together; without it, each is read by itself"),
    useful("ping", "an idle connection is checked; without it, the refusal serves as well"),
    useful("client|tracking", "sessions are kept in memory, too; without it, every request asks Redis"),
    useful("select", "only for another database than 0 (`connection.db`), and then needed"),
    useful("cluster|slots", "only in a Cluster, and then needed"),
    useful(
        "info",
        "an order to end a user's sessions knows whether any may have been lost; the doctor sees how Redis is set",
    ),
    useful("scan", "such an order looks through all sessions where some may have been lost"),
    doctor("config|get"),
];

/// The rules of `ACL SETUSER` for an account that may do what this server does without a Cluster, and nothing else.
pub fn rules(namespace: &str) -> String {
    let mut rules = format!("resetchannels ~{namespace}:* -@all");
    let elsewhere = ["select", "cluster|slots"];
    for command in COMMANDS.iter().filter(|it| it.need != Need::Doctor && !elsewhere.contains(&it.name)) {
        rules.push_str(" +");
        rules.push_str(command.name);
    }
    rules
}

impl Command {
    /// The command with what it can be tried with, on keys that begin so.
    pub(super) fn trial(&self, prefix: &str) -> Option<redis::Cmd> {
        if self.need != Need::Sessions {
            return None;
        }
        let mut command = redis::cmd(&self.name.to_ascii_uppercase());
        for argument in self.trial {
            match *argument {
                "K" | "Z" => command.arg(format!("{prefix}:{argument}")),
                other => command.arg(other),
            };
        }
        Some(command)
    }
}

/// The keys that are written, each with the pattern by which an account can be kept to it.
pub const KEYS: &[(&str, &str)] = &[
    ("session:*", "sessions"),
    ("index:*", "a user's sessions, and those of a login at the provider"),
    ("marker:*", "what may happen once, such as the answer to a login"),
    ("owed:*", "tokens of ended sessions, sealed, that wait for their revocation"),
    ("lease:*", "who refreshes a session now"),
    ("probe:*", "whether all of this can be done (gone after seconds)"),
    ("tracking:*", "the local cache: proof that Redis reports changes"),
    ("settle:*", "the local cache: whether others have heard of an end"),
    ("listeners", "the local cache: who keeps sessions in memory"),
];
