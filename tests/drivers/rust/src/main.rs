//! tokio-postgres: pipelines and copies in its own way (a Sync before the data of a COPY), one
//! line for each thing that works. Debian packages no TLS for it, so it connects in plaintext.

use bytes::Bytes;
use futures_util::{future, stream, SinkExt, StreamExt, TryStreamExt};
use std::{env, time::Duration};
use tokio_postgres::{error::SqlState, AsyncMessage, Client, Config, NoTls};

type Failure = Box<dyn std::error::Error>;

async fn connect() -> Result<(Client, tokio::sync::mpsc::UnboundedReceiver<String>), Failure> {
    let mut config = Config::new();
    config
        .host(&env::var("PGHOST")?)
        .port(env::var("PGPORT")?.parse()?)
        .user(&env::var("PGUSER")?)
        .password(env::var("PGPASSWORD")?)
        .dbname(&env::var("PGDATABASE")?);
    let (client, mut connection) = config.connect(NoTls).await?;
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
        while let Some(Ok(message)) = messages.next().await {
            if let AsyncMessage::Notification(heard) = message {
                let _ = sender.send(heard.payload().to_string());
            }
        }
    });
    Ok((client, receiver))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let (mut client, mut heard) = connect().await?;
    println!("ok connect");
    assert_eq!(client.simple_query("select 1; select 2").await?.len(), 4);
    println!("ok simple");
    let plus = client.prepare("select $1::int4 + 1").await?;
    let inputs: Vec<i32> = (0..100).collect();
    let rows = future::try_join_all(inputs.iter().map(|n| {
        let (client, plus) = (&client, &plus);
        async move { client.query_one(plus, &[n]).await }
    }))
    .await?;
    for (n, row) in inputs.iter().zip(rows) {
        assert_eq!(row.get::<_, i32>(0), n + 1);
    }
    println!("ok prepared");
    client.batch_execute("create temp table t (a int, b text)").await?;
    let transaction = client.transaction().await?;
    transaction.execute("insert into t values (1, 'gone')", &[]).await?;
    transaction.rollback().await?;
    assert_eq!(client.query_one("select count(*) from t", &[]).await?.get::<_, i64>(0), 0);
    println!("ok transaction");
    let sink = client.copy_in("copy t from stdin").await?;
    futures_util::pin_mut!(sink);
    for n in 0..5000 {
        sink.send(Bytes::from(format!("{n}\t{}\n", "x".repeat(100)))).await?;
    }
    assert_eq!(sink.finish().await?, 5000);
    let out: Vec<Bytes> = client.copy_out("copy t to stdout").await?.try_collect().await?;
    assert_eq!(out.len(), 5000);
    println!("ok copy");
    let token = client.cancel_token();
    let slow = client.execute("select pg_sleep(20)", &[]);
    futures_util::pin_mut!(slow);
    let error = loop {
        match tokio::time::timeout(Duration::from_millis(400), &mut slow).await {
            Ok(done) => break done.expect_err("it is cancelled"),
            // One that comes before the statement is ignored.
            Err(_) => token.cancel_query(NoTls).await.expect("the cancel request is sent"),
        }
    };
    assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED));
    println!("ok cancel");
    client.batch_execute("listen rust_channel").await?;
    let (other, _) = connect().await?;
    other.batch_execute("notify rust_channel, 'hello'").await?;
    let payload = tokio::time::timeout(Duration::from_secs(5), heard.recv()).await?;
    assert_eq!(payload.as_deref(), Some("hello"));
    println!("ok listen");
    Ok(())
}
