//! Catalogs in a SQLite database, with their tables in local files.
//!
//! The two tables are those of the JDBC and SQL catalogs of the reference implementations. A commit is a new
//! metadata file and one statement that replaces the old location by the new one, if it is still the old one.

use super::backend::{Backend, Failure, Loaded, Origin, Places, Properties};
use super::files;
use crate::config::Sql;
use crate::ident::{NamespaceId, TableId};
use crate::location;
use crate::metadata::{Commit, NewTable};
use async_trait::async_trait;
use datamesh_provider::{Context, ErrorKind, Facts, Interruption, ProviderError};
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqlitePoolOptions, SqliteRow};
use sqlx::{Row as _, Sqlite, SqlitePool};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::Mutex;

type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments<'q>>;

/// As the reference implementations make them.
const CREATE_TABLES: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS iceberg_tables (
        catalog_name VARCHAR(255) NOT NULL,
        table_namespace VARCHAR(255) NOT NULL,
        table_name VARCHAR(255) NOT NULL,
        metadata_location VARCHAR(1000),
        previous_metadata_location VARCHAR(1000),
        iceberg_type VARCHAR(5),
        PRIMARY KEY (catalog_name, table_namespace, table_name))",
    "CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (
        catalog_name VARCHAR(255) NOT NULL,
        namespace VARCHAR(255) NOT NULL,
        property_key VARCHAR(255) NOT NULL,
        property_value VARCHAR(1000) NOT NULL,
        PRIMARY KEY (catalog_name, namespace, property_key))",
];

#[derive(Debug)]
pub(crate) struct SqlBackend {
    origin: Origin,
    name: String,
    database: PathBuf,
    places: Places,
    /// Opened by the first call that finds or makes the file.
    open: Mutex<Option<Database>>,
    /// One writer at a time: SQLite would let others wait by polling.
    writing: Mutex<()>,
}

#[derive(Clone, Debug)]
struct Database {
    pool: SqlitePool,
    /// Whether rows say what they are; databases of the first generation hold tables only.
    typed: bool,
}

impl Database {
    /// The condition that leaves views out.
    fn only_tables(&self) -> &'static str {
        if self.typed { "AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)" } else { "" }
    }
}

impl SqlBackend {
    pub(crate) fn new(system: &str, settings: &Sql, root: &Path) -> Self {
        let database = root.join(&settings.database);
        Self {
            origin: Origin { system: system.to_owned(), endpoint: database.display().to_string() },
            name: settings.name.clone(),
            database,
            places: Places {
                root: root.to_owned(),
                warehouse: Some(location::absolute(&settings.warehouse, root)),
            },
            open: Mutex::new(None),
            writing: Mutex::new(()),
        }
    }

    /// The database for reading; `None` where there is none yet, or no catalog in it: an empty catalog. A read
    /// never makes one.
    async fn reader(&self, cx: &Context, during: &str) -> Result<Option<Database>, ProviderError> {
        let mut open = self.open.lock().await;
        if let Some(database) = &*open {
            return Ok(Some(database.clone()));
        }
        match self.database.try_exists() {
            Ok(false) => return Ok(None),
            Ok(true) => {}
            Err(error) => return Err(self.unreadable(during, &error.to_string())),
        }
        let found = self.connect(cx, false).await.map_err(|error| self.error(during, &error))?;
        if let Some(database) = &found {
            *open = Some(database.clone());
        }
        Ok(found)
    }

    /// The database for writing, made with its folder and tables where it is not there.
    async fn writer(&self, cx: &Context, during: &str) -> Result<Database, ProviderError> {
        if let Some(database) = self.reader(cx, during).await? {
            return Ok(database);
        }
        let mut open = self.open.lock().await;
        if let Some(parent) = self.database.parent() {
            let made = tokio::fs::create_dir_all(parent).await;
            made.map_err(|error| self.unreadable(during, &error.to_string()))?;
        }
        let made = self.connect(cx, true).await.map_err(|error| self.error(during, &error))?;
        let made = made.ok_or_else(|| self.unreadable(during, "the catalog's tables vanished"))?;
        *open = Some(made.clone());
        Ok(made)
    }

    async fn connect(&self, cx: &Context, create: bool) -> Result<Option<Database>, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(&self.database)
            .create_if_missing(create)
            .busy_timeout(cx.budget.call_timeout);
        let size = u32::try_from(cx.budget.parallelism).unwrap_or(1).clamp(1, 8);
        let pool = SqlitePoolOptions::new()
            .max_connections(size)
            .acquire_timeout(cx.budget.call_timeout)
            .connect_with(options)
            .await?;
        if create {
            for statement in CREATE_TABLES {
                sqlx::query(statement).execute(&pool).await?;
            }
        }
        let columns = "SELECT name FROM pragma_table_info(?)";
        let tables = sqlx::query(columns).bind("iceberg_tables").fetch_all(&pool).await?;
        let namespaces = sqlx::query(columns).bind("iceberg_namespace_properties").fetch_all(&pool).await?;
        if tables.is_empty() || namespaces.is_empty() {
            return Ok(None);
        }
        let typed =
            tables.iter().any(|row| row.try_get::<&str, _>(0).is_ok_and(|name| name == "iceberg_type"));
        Ok(Some(Database { pool, typed }))
    }

    fn unreadable(&self, during: &str, why: &str) -> ProviderError {
        let error = self.origin.error(ErrorKind::Unreachable, during).message(why);
        error.hint("check `uri` of this catalog in the Mesh document, and who may read and write the file")
    }

    fn error(&self, during: &str, error: &sqlx::Error) -> ProviderError {
        let out = self.unreadable(during, &error.to_string());
        match error.as_database_error().and_then(|error| error.code()) {
            Some(code) => out.code(format!("SQLITE {code}")),
            None => out,
        }
    }

    /// A statement that failed: SQLite undoes it, unless the disk failed under it or nobody knows.
    fn failure(&self, during: &str, error: &sqlx::Error) -> Failure {
        let io = |code: i64| code & 0xff == 10;
        let known = match error.as_database_error() {
            Some(database) => !database.code().and_then(|code| code.parse().ok()).is_some_and(io),
            None => matches!(error, sqlx::Error::PoolTimedOut),
        };
        let error = self.error(during, error);
        if known { Failure::Refused(error) } else { Failure::Unknown(Interruption::NoAnswer(error)) }
    }

    fn file_error(&self, during: &str, why: &str) -> ProviderError {
        self.origin.error(ErrorKind::Unreachable, during).message(why)
    }

    async fn rows(
        &self,
        cx: &Context,
        during: &str,
        sql: Select<'_>,
    ) -> Result<Vec<SqliteRow>, ProviderError> {
        let Some(database) = self.reader(cx, during).await? else { return Ok(Vec::new()) };
        let text = sql.text.replace("{tables}", database.only_tables());
        let rows = sql.bind(&text).fetch_all(&database.pool).await;
        rows.map_err(|error| self.error(during, &error))
    }

    /// Where a table lies that nobody gave a location.
    async fn default_location(&self, cx: &Context, id: &TableId) -> Result<String, ProviderError> {
        let properties = self.namespace(cx, &id.namespace).await?.unwrap_or_default();
        let folder = match properties.get("location") {
            Some(text) => self.places.absolute(text),
            None => {
                let warehouse = self.places.warehouse.as_deref().unwrap_or_default();
                format!("{warehouse}/{}", id.namespace.levels().join("/"))
            }
        };
        Ok(format!("{folder}/{}", id.name))
    }

    /// Writes a metadata file beside the table's data and returns its location.
    async fn write(
        &self,
        cx: &Context,
        during: &str,
        made: &Loaded,
        version: u32,
    ) -> Result<String, Failure> {
        let refused = |why: String| Failure::Refused(self.file_error(during, &why));
        let folder = files::metadata_folder(&made.metadata);
        let Some(path) = location::local_path(&folder) else {
            return Err(refused(format!("its metadata goes to `{folder}`, which is no local folder")));
        };
        let body = made.metadata.to_bytes();
        let name =
            files::write_new(cx, &path, version, body).await.map_err(|error| refused(error.to_string()))?;
        Ok(format!("{}/{name}", location::normalize(&folder)))
    }
}

/// A query of fixed text with texts for its parameters. `{tables}` stands for "no views".
struct Select<'a> {
    text: &'a str,
    values: &'a [&'a str],
}

impl Select<'_> {
    fn bind<'q>(&self, text: &'q str) -> Query<'q> {
        self.values.iter().fold(sqlx::query(text), |query, value| query.bind((*value).to_owned()))
    }
}

/// The first column as text; a row without one was not written by a catalog.
fn texts(rows: &[SqliteRow]) -> Vec<String> {
    rows.iter().filter_map(|row| row.try_get(0).ok()).collect()
}

#[async_trait]
impl Backend for SqlBackend {
    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn places(&self) -> &Places {
        &self.places
    }

    fn settle(&self) -> Duration {
        Duration::from_secs(5)
    }

    async fn facts(&self, cx: &Context) -> Result<Facts, ProviderError> {
        self.reader(cx, "open the catalog").await?;
        let warehouse = self.places.warehouse.as_deref().unwrap_or_default();
        let identity = format!("sql {} sqlite:{} {warehouse}", self.name, self.database.display());
        Ok(Facts { identity, capabilities: BTreeMap::from([("catalog".to_owned(), "sql".to_owned())]) })
    }

    async fn load(&self, cx: &Context, id: &TableId) -> Result<Option<Loaded>, ProviderError> {
        let during = format!("load the table {id}");
        let select = Select {
            text: "SELECT metadata_location FROM iceberg_tables
                   WHERE catalog_name = ? AND table_namespace = ? AND table_name = ? {tables}",
            values: &[&self.name, &id.namespace.to_string(), &id.name],
        };
        let rows = self.rows(cx, &during, select).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let token: Option<String> = row.try_get(0).map_err(|error| self.error(&during, &error))?;
        let Some(token) = token else {
            return Err(self.file_error(&during, "its row in the catalog names no metadata file"));
        };
        let metadata = files::read(&token).await.map_err(|error| {
            self.origin
                .error(error.kind, &during)
                .message(error.why)
                .hint("the catalog and its warehouse do not fit together")
        })?;
        Ok(Some(Loaded { metadata, token }))
    }

    async fn create(&self, cx: &Context, id: &TableId, new: &NewTable) -> Result<Loaded, Failure> {
        let during = format!("create the table {id}");
        let _one = self.writing.lock().await;
        let database = self.writer(cx, &during).await.map_err(Failure::Refused)?;
        if self.namespace(cx, &id.namespace).await.map_err(Failure::Refused)?.is_none() {
            return Err(Failure::Absent);
        }
        let location = match &new.location {
            Some(location) => location.clone(),
            None => self.default_location(cx, id).await.map_err(Failure::Refused)?,
        };
        let uuid = files::uuid(cx);
        let metadata = new.metadata(&uuid, &location, cx.clock.now().as_millisecond());
        let metadata =
            metadata.map_err(|error| Failure::Refused(self.file_error(&during, &error.to_string())))?;
        let mut made = Loaded { metadata, token: String::new() };
        made.token = self.write(cx, &during, &made, 0).await?;
        let namespace = id.namespace.to_string();
        let (columns, marks) = if database.typed { (", iceberg_type", ", 'TABLE'") } else { ("", "") };
        let statement = format!(
            "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location{columns})
             VALUES (?, ?, ?, ?{marks}) ON CONFLICT DO NOTHING"
        );
        let insert = Select { text: &statement, values: &[&self.name, &namespace, &id.name, &made.token] };
        match insert.bind(&statement).execute(&database.pool).await {
            Ok(done) if done.rows_affected() == 1 => Ok(made),
            Ok(_) => {
                files::forget(&made.token).await;
                Err(Failure::Conflict)
            }
            Err(error) => Err(self.undone(&during, &error, &made.token).await),
        }
    }

    async fn commit(
        &self,
        cx: &Context,
        id: &TableId,
        base: &Loaded,
        commit: &Commit,
    ) -> Result<Loaded, Failure> {
        let during = format!("change the table {id}");
        let _one = self.writing.lock().await;
        let database = self.writer(cx, &during).await.map_err(Failure::Refused)?;
        let metadata = commit.apply(&base.metadata, &base.token, cx.clock.now().as_millisecond());
        let metadata =
            metadata.map_err(|error| Failure::Refused(self.file_error(&during, &error.to_string())))?;
        let mut made = Loaded { metadata, token: String::new() };
        made.token = self.write(cx, &during, &made, files::version(&base.token) + 1).await?;
        let update = Select {
            text: "UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = ?
                   WHERE catalog_name = ? AND table_namespace = ? AND table_name = ? AND metadata_location = ?",
            values: &[
                &made.token,
                &base.token,
                &self.name,
                &id.namespace.to_string(),
                &id.name,
                &base.token,
            ],
        };
        match update.bind(update.text).execute(&database.pool).await {
            Ok(done) if done.rows_affected() == 1 => Ok(made),
            Ok(_) => {
                files::forget(&made.token).await;
                Err(Failure::Conflict)
            }
            Err(error) => Err(self.undone(&during, &error, &made.token).await),
        }
    }

    async fn drop_table(&self, cx: &Context, id: &TableId, base: &Loaded, _: bool) -> Result<(), Failure> {
        let during = format!("drop the table {id}");
        let _one = self.writing.lock().await;
        let database = self.writer(cx, &during).await.map_err(Failure::Refused)?;
        let delete = Select {
            text: "DELETE FROM iceberg_tables
                   WHERE catalog_name = ? AND table_namespace = ? AND table_name = ? AND metadata_location = ?",
            values: &[&self.name, &id.namespace.to_string(), &id.name, &base.token],
        };
        match delete.bind(delete.text).execute(&database.pool).await {
            Ok(done) if done.rows_affected() == 1 => Ok(()),
            Ok(_) => Err(Failure::Conflict),
            Err(error) => Err(self.failure(&during, &error)),
        }
    }

    async fn namespace(&self, cx: &Context, id: &NamespaceId) -> Result<Option<Properties>, ProviderError> {
        let during = format!("load the namespace {id}");
        let name = id.to_string();
        let select = Select {
            text: "SELECT property_key, property_value FROM iceberg_namespace_properties
                   WHERE catalog_name = ? AND namespace = ?",
            values: &[&self.name, &name],
        };
        let rows = self.rows(cx, &during, select).await?;
        let pair = |row: &SqliteRow| Some((row.try_get(0).ok()?, row.try_get(1).ok()?));
        let map: Properties = rows.iter().filter_map(pair).collect();
        if !map.is_empty() {
            return Ok(Some(map));
        }
        // Without properties of its own it exists where a table or another namespace is in it.
        let all = self.namespaces(cx).await?;
        let inside = all.iter().any(|other| other.levels().starts_with(id.levels()));
        Ok(inside.then_some(map))
    }

    async fn create_namespace(
        &self,
        cx: &Context,
        id: &NamespaceId,
        map: &Properties,
    ) -> Result<(), Failure> {
        let during = format!("create the namespace {id}");
        let _one = self.writing.lock().await;
        let database = self.writer(cx, &during).await.map_err(Failure::Refused)?;
        if self.namespace(cx, id).await.map_err(Failure::Refused)?.is_some() {
            return Err(Failure::Conflict);
        }
        self.write_properties(&database, id, map, &[], &during).await
    }

    async fn update_namespace(
        &self,
        cx: &Context,
        id: &NamespaceId,
        set: &Properties,
        unset: &[String],
    ) -> Result<(), Failure> {
        let during = format!("change the namespace {id}");
        let _one = self.writing.lock().await;
        let database = self.writer(cx, &during).await.map_err(Failure::Refused)?;
        if self.namespace(cx, id).await.map_err(Failure::Refused)?.is_none() {
            return Err(Failure::Absent);
        }
        self.write_properties(&database, id, set, unset, &during).await
    }

    async fn drop_namespace(&self, cx: &Context, id: &NamespaceId) -> Result<(), Failure> {
        let during = format!("drop the namespace {id}");
        let _one = self.writing.lock().await;
        let database = self.writer(cx, &during).await.map_err(Failure::Refused)?;
        let name = id.to_string();
        // One statement, so that no table can come into it between the look and the deletion.
        let delete = Select {
            text: "DELETE FROM iceberg_namespace_properties WHERE catalog_name = ?1 AND namespace = ?2
                   AND NOT EXISTS (SELECT 1 FROM iceberg_tables WHERE catalog_name = ?1
                        AND (table_namespace = ?2 OR substr(table_namespace, 1, length(?2) + 1) = ?2 || '.'))
                   AND NOT EXISTS (SELECT 1 FROM iceberg_namespace_properties WHERE catalog_name = ?1
                        AND substr(namespace, 1, length(?2) + 1) = ?2 || '.')",
            values: &[&self.name, &name],
        };
        match delete.bind(delete.text).execute(&database.pool).await {
            Ok(done) if done.rows_affected() > 0 => Ok(()),
            Ok(_) => match self.namespace(cx, id).await {
                Ok(None) => Err(Failure::Absent),
                Ok(Some(_)) => Err(Failure::Conflict),
                Err(error) => Err(Failure::Refused(error)),
            },
            Err(error) => Err(self.failure(&during, &error)),
        }
    }

    async fn namespaces(&self, cx: &Context) -> Result<Vec<NamespaceId>, ProviderError> {
        let select = Select {
            text: "SELECT table_namespace FROM iceberg_tables WHERE catalog_name = ?1
                   UNION SELECT namespace FROM iceberg_namespace_properties WHERE catalog_name = ?1 ORDER BY 1",
            values: &[&self.name],
        };
        let rows = self.rows(cx, "list the namespaces", select).await?;
        let levels = |name: String| NamespaceId::from_levels(name.split('.').map(str::to_owned).collect());
        Ok(texts(&rows).into_iter().map(levels).collect())
    }

    async fn tables(&self, cx: &Context, id: &NamespaceId) -> Result<Vec<TableId>, ProviderError> {
        let select = Select {
            text: "SELECT table_name FROM iceberg_tables
                   WHERE catalog_name = ? AND table_namespace = ? {tables} ORDER BY 1",
            values: &[&self.name, &id.to_string()],
        };
        let rows = self.rows(cx, &format!("list the tables of {id}"), select).await?;
        let table = |name: String| TableId { namespace: id.clone(), name };
        Ok(texts(&rows).into_iter().map(table).collect())
    }
}

impl SqlBackend {
    /// A failed statement; the file written for it goes, unless the statement may have had its effect.
    async fn undone(&self, during: &str, error: &sqlx::Error, token: &str) -> Failure {
        let failure = self.failure(during, error);
        if matches!(failure, Failure::Refused(_)) {
            files::forget(token).await;
        }
        failure
    }

    /// Sets and removes properties in one transaction.
    async fn write_properties(
        &self,
        database: &Database,
        id: &NamespaceId,
        set: &Properties,
        unset: &[String],
        during: &str,
    ) -> Result<(), Failure> {
        let before_commit = |error: sqlx::Error| self.failure(during, &error);
        let mut transaction = database.pool.begin_with("BEGIN IMMEDIATE").await.map_err(before_commit)?;
        for key in unset {
            sqlx::query(
                "DELETE FROM iceberg_namespace_properties
                 WHERE catalog_name = ? AND namespace = ? AND property_key = ?",
            )
            .bind(&self.name)
            .bind(id.to_string())
            .bind(key)
            .execute(&mut *transaction)
            .await
            .map_err(before_commit)?;
        }
        for (key, value) in set {
            sqlx::query(
                "INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value)
                 VALUES (?, ?, ?, ?)
                 ON CONFLICT (catalog_name, namespace, property_key) DO UPDATE SET property_value = excluded.property_value",
            )
            .bind(&self.name)
            .bind(id.to_string())
            .bind(key)
            .bind(value)
            .execute(&mut *transaction)
            .await
            .map_err(before_commit)?;
        }
        transaction.commit().await.map_err(before_commit)
    }
}
