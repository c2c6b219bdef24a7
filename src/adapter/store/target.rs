//! Where a ledger stands, and connections to it.

use std::cmp::Ordering;
use std::fmt;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, install_default_drivers};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, AssertSqlSafe, ConnectOptions as _, Connection as _, SqlSafeStr as _};

use super::sql::Statement;
use crate::error::Error;

/// A file of SQLite's or the URL of a Postgres database.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Target {
    File(PathBuf),
    Postgres(Box<str>),
}

/// What a reader is told where there is no ledger.
const NONE_YET: &str = "run `cachewright proxy`, or open a store in your program; another ledger \
                        is named with --ledger FILE|URL";

impl Target {
    /// From a path, `sqlite://PATH` or `postgres://…`.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        match text.split_once("://") {
            None if text.is_empty() => Err(Error::config(
                "an empty ledger's name; give a file or postgres://…",
            )),
            None => Ok(Self::File(text.into())),
            Some(("sqlite" | "file", path)) => Ok(Self::File(path.into())),
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(text.into())),
            Some((scheme, _)) => Err(Error::config(format!(
                "cannot keep a ledger at {scheme}://…; give a file or postgres://USER@HOST/DATABASE"
            ))),
        }
    }

    /// The path, if it is a file.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }

    /// A connection for reading what is there already.
    pub(super) async fn existing(&self) -> Result<Connection, Error> {
        if let Self::File(path) = self
            && !path.exists()
        {
            return Err(Error::input(format!(
                "there is no ledger at {self}: {NONE_YET}"
            )));
        }
        self.connect("rw").await
    }

    /// A connection for writing; what is not there is made.
    pub(super) async fn made(&self) -> Result<Connection, Error> {
        if let Self::File(path) = self
            && let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty())
        {
            std::fs::create_dir_all(dir)
                .map_err(|error| self.trouble("cannot make the directory of", &error))?;
        }
        self.connect("rwc").await
    }

    async fn connect(&self, mode: &str) -> Result<Connection, Error> {
        install_default_drivers();
        let failed = |error: sqlx::Error| self.trouble("cannot open", &error);
        let options: AnyConnectOptions = self.url(mode)?.parse().map_err(failed)?;
        let connecting = options.disable_statement_logging();
        let mut db = connecting.connect().await.map_err(failed)?;
        if let Self::File(_) = self {
            for pragma in PRAGMAS {
                sqlx::query(pragma).execute(&mut db).await.map_err(failed)?;
            }
        }
        self.migrate(&mut db).await?;
        let sqlite = self.file().is_some();
        Ok(Connection { db, sqlite })
    }

    fn url(&self, mode: &str) -> Result<String, Error> {
        let path = match self {
            Self::Postgres(url) => return Ok(url.to_string()),
            Self::File(path) => {
                std::path::absolute(path).map_err(|error| self.trouble("cannot open", &error))?
            }
        };
        let Some(path) = path.to_str() else {
            return Err(Error::config(format!(
                "{self}: the path is not UTF-8; use another"
            )));
        };
        let mut url = String::from("sqlite://");
        for byte in path.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                    url.push(char::from(byte));
                }
                // Writing into memory cannot fail.
                _ => drop(write!(url, "%{byte:02X}")),
            }
        }
        Ok(url + "?mode=" + mode)
    }

    /// Brings the schema up to date; two processes may try at once.
    async fn migrate(&self, db: &mut AnyConnection) -> Result<(), Error> {
        // Readers may lack the right to make tables, and need it only where some are missing.
        let version = Statement::new("SELECT MAX(version) FROM _sqlx_migrations");
        if let Ok([Some(version)]) = version.integers(db).await {
            match version.cmp(&LATEST) {
                Ordering::Equal => return Ok(()),
                Ordering::Greater => return Err(self.newer()),
                Ordering::Less => {}
            }
        }
        let migrator = Migrator::with_migrations(migrations(self));
        let mut failed = None;
        for _ in 0..ATTEMPTS {
            match migrator.run_direct(None, db, false).await {
                Ok(()) => return Ok(()),
                Err(error) => failed = Some(error),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(match failed {
            Some(sqlx::migrate::MigrateError::VersionMissing(_)) => self.newer(),
            Some(error) => self.trouble("cannot prepare", &error),
            None => Error::io(format!("{self}: cannot prepare")),
        })
    }

    fn newer(&self) -> Error {
        Error::io(format!(
            "{self}: written by a newer cachewright; use that one, or another ledger"
        ))
    }

    /// An error that names the ledger.
    pub(super) fn trouble(&self, what: &str, error: &dyn fmt::Display) -> Error {
        Error::io(format!("{what} the ledger {self}: {error}"))
    }
}

const ATTEMPTS: u32 = 20;

/// In this order: the first works on an empty file only.
const PRAGMAS: [&str; 5] = [
    "PRAGMA auto_vacuum = INCREMENTAL",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA journal_size_limit = 16777216",
    "PRAGMA busy_timeout = 5000",
];

const MIGRATIONS: [(i64, &str, &str); 5] = [
    (
        1,
        "exchanges",
        include_str!("migrations/0001_exchanges.sql"),
    ),
    (2, "gaps", include_str!("migrations/0002_gaps.sql")),
    (3, "attempts", include_str!("migrations/0003_attempts.sql")),
    (4, "arms", include_str!("migrations/0004_arms.sql")),
    (5, "pings", include_str!("migrations/0005_pings.sql")),
];

/// The last of them.
const LATEST: i64 = 5;

/// One schema, but for two words.
fn migrations(target: &Target) -> Vec<Migration> {
    let [bytes, clustered] = match target {
        Target::File(_) => ["BLOB", "WITHOUT ROWID"],
        Target::Postgres(_) => ["BYTEA", ""],
    };
    let spelled = |text: &str| {
        let text = text.replace("{BYTES}", bytes);
        text.replace("{CLUSTERED}", clustered)
    };
    MIGRATIONS
        .into_iter()
        .map(|(version, name, text)| {
            let sql = AssertSqlSafe(spelled(text)).into_sql_str();
            Migration::new(version, name.into(), MigrationType::Simple, sql, false)
        })
        .collect()
}

/// As errors and reports show it: without password and parameters.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = match self {
            Self::File(path) => return write!(f, "{}", path.display()),
            Self::Postgres(url) => url,
        };
        let bare = url.split_once(['?', '#']).map_or(&**url, |(bare, _)| bare);
        let (scheme, rest) = bare.split_once("://").unwrap_or(("postgres", bare));
        match rest.rsplit_once('@') {
            Some((user, host)) => {
                let user = user.split_once(':').map_or(user, |(name, _)| name);
                write!(f, "{scheme}://{user}@{host}")
            }
            None => write!(f, "{scheme}://{rest}"),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An open connection, and which words its database knows.
pub(super) struct Connection {
    pub(super) db: AnyConnection,
    pub(super) sqlite: bool,
}

impl Connection {
    pub(super) async fn close(self) {
        // What is committed is safe; there is nothing to do about a farewell that fails.
        let _ = self.db.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        for (url, shown) in [
            ("postgres://u:secret@h:5432/db", "postgres://u@h:5432/db"),
            ("postgres://u:se@cret@h/db", "postgres://u@h/db"),
            ("postgresql:///db?password=secret", "postgresql:///db"),
            (
                "postgres://h/db?user=u&password=secret#x",
                "postgres://h/db",
            ),
            ("/a b/l.db", "/a b/l.db"),
        ] {
            let target = Target::parse(url).unwrap();
            assert_eq!(target.to_string(), shown);
            assert_eq!(format!("{target:?}"), shown);
        }
        let error = Target::parse("mysql://u:secret@h/db").unwrap_err();
        assert!(error.is_config() && !error.to_string().contains("secret"));
    }

    #[test]
    fn the_latest_migration_is_the_last() {
        assert_eq!(MIGRATIONS.last().unwrap().0, LATEST);
    }

    #[test]
    fn paths_become_urls_that_mean_them() {
        let target = Target::parse("/a b/%41?x#y.db").unwrap();
        assert_eq!(
            target.url("rw").unwrap(),
            "sqlite:///a%20b/%2541%3Fx%23y.db?mode=rw"
        );
    }
}
