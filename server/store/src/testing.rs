//! Scratch databases for tests: a fresh, migrated SQLite file and a fresh, migrated PostgreSQL database, gone when dropped.
//!
//! PostgreSQL is the server that `TIDEGATE_TEST_POSTGRES` names (the address of any database of it that may create
//! others). Without it the first test that asks starts a server of its own, which ends with the test process, however
//! that ends. Where there is no PostgreSQL to start, the test fails and says so.

use crate::{Db, PoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, postgres::PgConnectOptions};
use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    str::FromStr,
};
use tokio::sync::OnceCell;
use uuid::Uuid;

/// A database of a test's own.
pub struct Scratch {
    pub db: Db,
    /// Opens it again: for a second replica, or another process.
    pub url: String,
    /// On PostgreSQL the owner of the tables; [`Scratch::db`] and [`Scratch::url`] are the application's role, so that
    /// every test shows that its rights are enough.
    operator: Db,
    leftover: Leftover,
}

/// An audit event as its row has it.
#[derive(Debug, sqlx::FromRow)]
pub struct StoredEvent {
    pub event: Vec<u8>,
    pub salt: Option<Vec<u8>>,
    pub text: Option<String>,
}

enum Leftover {
    Folder(PathBuf),
    Database { server: String, name: String },
}

/// One of each.
///
/// # Panics
/// When one of them cannot be made.
pub async fn databases() -> [Scratch; 2] {
    [Scratch::sqlite().await, Scratch::postgres().await]
}

impl Scratch {
    /// # Panics
    /// When it cannot be made.
    pub async fn sqlite() -> Self {
        let folder = std::env::temp_dir().join(format!("tidegate-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&folder).expect("a folder for a scratch database");
        let url = format!("sqlite://{}", folder.join("tidegate.db").display());
        let db = open(&url, PoolOptions::default()).await;
        migrate(&db).await;
        Self {
            operator: db.clone(),
            db,
            url,
            leftover: Leftover::Folder(folder),
        }
    }

    /// # Panics
    /// When it cannot be made.
    pub async fn postgres() -> Self {
        let server = server().await.to_owned();
        let name = format!("tidegate_{}", Uuid::now_v7().simple());
        run(&server, format!("CREATE DATABASE {name} TEMPLATE template0"))
            .await
            .expect("a scratch database on the PostgreSQL server");
        let address = PgConnectOptions::from_str(&server)
            .expect("the address of a PostgreSQL server")
            .database(&name);
        let few = PoolOptions {
            max_connections: 2,
            ..PoolOptions::default()
        };
        let operator = open(address.to_url_lossy().as_str(), few).await;
        migrate(&operator).await;
        run(address.to_url_lossy().as_str(), MAKE_ROLE.to_owned())
            .await
            .expect("a role for the application");
        operator.grant_to_application(APP_ROLE).await.expect("its rights");
        let url = address.username(APP_ROLE).password(APP_ROLE).to_url_lossy().to_string();
        Self {
            db: open(&url, PoolOptions::default()).await,
            operator,
            url,
            leftover: Leftover::Database { server, name },
        }
    }

    /// The same database as another replica opens it.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub async fn replica(&self) -> Db {
        Db::connect(&self.url, PoolOptions::default())
            .await
            .unwrap_or_else(|error| panic!("cannot open {} again: {error}", self.url))
    }

    /// What stands in the log under a number.
    ///
    /// # Panics
    /// When there is no such event.
    pub async fn stored_event(&self, seq: i64) -> StoredEvent {
        crate::sql::on!(self.db.read(), c => {
            sqlx::query_as(
                "SELECT a.event, t.salt, t.text FROM audit a LEFT JOIN audit_texts t ON t.seq = a.seq WHERE a.seq = $1",
            )
            .bind(seq)
            .fetch_one(c)
            .await
        })
        .unwrap_or_else(|error| panic!("event {seq}: {error}"))
    }

    /// All that is stored, to search for what must not be: the files of SQLite, every row of PostgreSQL.
    ///
    /// # Panics
    /// When it cannot be read.
    pub async fn everything_stored(&self) -> Vec<u8> {
        if let Leftover::Folder(folder) = &self.leftover {
            let files = std::fs::read_dir(folder).expect("the folder of the database");
            let read = |file: std::io::Result<std::fs::DirEntry>| std::fs::read(file.expect("a file").path());
            return files
                .flat_map(|file| read(file).expect("a file that can be read"))
                .collect();
        }
        let crate::sql::Either::Postgres(pool) = self.operator.read() else {
            return Vec::new();
        };
        let tables: Vec<(String,)> =
            sqlx::query_as("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
                .fetch_all(pool)
                .await
                .expect("the tables");
        let mut stored = Vec::new();
        for (table,) in tables {
            let rows = AssertSqlSafe(format!("SELECT t::text FROM {table} t"));
            let rows: Vec<(String,)> = sqlx::query_as(rows).fetch_all(pool).await.expect("its rows");
            stored.extend(rows.into_iter().flat_map(|(row,)| row.into_bytes()));
        }
        stored
    }

    /// Runs a statement as the application's role, behind the store's back.
    ///
    /// # Errors
    /// What the database answers.
    pub async fn as_application(&self, statement: &str) -> Result<u64, String> {
        let statement = AssertSqlSafe(statement.to_owned());
        crate::sql::on!(self.db.write(), c => c.execute(statement).await.map(|done| done.rows_affected()))
            .map_err(|error| error.to_string())
    }

    /// The owner's connection, on PostgreSQL.
    pub const fn operator(&self) -> &Db {
        &self.operator
    }

    /// Runs a statement behind the store's back, as an operator at the database's own prompt could.
    ///
    /// # Errors
    /// What the database answers.
    pub async fn tamper(&self, statement: &str) -> Result<u64, String> {
        let statement = AssertSqlSafe(statement.to_owned());
        crate::sql::on!(self.operator.write(), c => c.execute(statement).await.map(|done| done.rows_affected()))
            .map_err(|error| error.to_string())
    }
}

async fn open(url: &str, options: PoolOptions) -> Db {
    Db::connect(url, options)
        .await
        .unwrap_or_else(|error| panic!("cannot open {url}: {error}"))
}

async fn migrate(db: &Db) {
    db.migrate()
        .await
        .unwrap_or_else(|error| panic!("cannot migrate {db:?}: {error}"));
}

/// The application's role on the test server; it stays there.
const APP_ROLE: &str = "tidegate_app";
const MAKE_ROLE: &str = "DO $$ BEGIN CREATE ROLE tidegate_app LOGIN PASSWORD 'tidegate_app'; \
     EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$";

impl Drop for Scratch {
    fn drop(&mut self) {
        match &self.leftover {
            Leftover::Folder(folder) => drop(std::fs::remove_dir_all(folder)),
            Leftover::Database { server, name } => {
                let (server, drop_it) = (server.clone(), format!("DROP DATABASE {name} WITH (FORCE)"));
                // A test's own runtime may be ending: this one is apart from it.
                let thread = std::thread::spawn(move || {
                    if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
                        let _ = runtime.block_on(run(&server, drop_it));
                    }
                });
                let _ = thread.join();
            }
        }
    }
}

async fn run(server: &str, statement: String) -> Result<(), sqlx::Error> {
    let mut connection = PgConnectOptions::from_str(server)?.connect().await?;
    connection.execute(AssertSqlSafe(statement)).await?;
    connection.close().await
}

static SERVER: OnceCell<Server> = OnceCell::const_new();

struct Server {
    url: String,
    /// Its standard input stays open for as long as this process lives; the server ends when it closes.
    _keeper: Option<Child>,
}

async fn server() -> &'static str {
    let server = SERVER
        .get_or_init(|| async {
            match std::env::var("TIDEGATE_TEST_POSTGRES") {
                Ok(url) if !url.is_empty() => Server { url, _keeper: None },
                _ => tokio::task::spawn_blocking(start)
                    .await
                    .expect("starting a scratch PostgreSQL server"),
            }
        })
        .await;
    &server.url
}

/// Starts a server in a folder of its own, listening on a socket there, and ends both when standard input does.
/// initdb refuses to run as root, so root becomes `postgres` first.
const KEEPER: &str = r#"
set -eu
bin=$(pg_config --bindir 2>/dev/null || ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
if [ ! -x "$bin/initdb" ]; then echo "missing"; exit 0; fi
dir=$(mktemp -d "${TMPDIR:-/tmp}/tidegate-pg.XXXXXX")
as=""
if [ "$(id -u)" = 0 ]; then chown postgres "$dir"; as="setpriv --reuid=postgres --regid=postgres --init-groups"; fi
trap '$as "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1; rm -rf "$dir"' EXIT
cd "$dir"
$as "$bin/initdb" -D "$dir/data" -U postgres -A trust --no-sync -E UTF8 --locale=C.UTF-8 >"$dir/log" 2>&1 \
  && $as "$bin/pg_ctl" -D "$dir/data" -l "$dir/data/log" -w \
    -o "-c listen_addresses= -c unix_socket_directories=$dir -c fsync=off -c max_connections=400" start >>"$dir/log" 2>&1 \
  || { echo "failed $(tail -5 "$dir/log" | tr '\n' ' ')"; exit 0; }
echo "ready $dir"
while read -r _; do :; done
"#;

fn start() -> Server {
    let mut keeper = Command::new("sh")
        .args(["-c", KEEPER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // Out of reach of Ctrl-C, so that it can tidy up.
        .process_group(0)
        .spawn()
        .expect("sh");
    let mut line = String::new();
    let output = keeper.stdout.take().expect("the keeper's output");
    BufReader::new(output)
        .read_line(&mut line)
        .expect("a line from the keeper");
    let Some(folder) = line.trim().strip_prefix("ready ") else {
        panic!(
            "this test needs PostgreSQL and could not start one ({}). Install it (`apt-get install postgresql`), or set \
             TIDEGATE_TEST_POSTGRES to a server's address, such as postgres://postgres@127.0.0.1:5432/postgres",
            line.trim()
        );
    };
    Server {
        url: format!("postgres://postgres@localhost/postgres?host={folder}"),
        _keeper: Some(keeper),
    }
}
