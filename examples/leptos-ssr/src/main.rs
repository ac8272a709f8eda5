//! An axum server that renders a Leptos app, with authtool mounted in it.
//!
//! ```sh
//! node client-leptos/scripts/build.mjs leptos-ssr   # the browser's half, into examples/leptos-ssr/dist: the `static.root`
//! cargo run --package authtool-example-leptos-ssr -- authtool.json 127.0.0.1:3000 http://127.0.0.1:4000
//! ```

#[cfg(not(target_family = "wasm"))]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    use authtool_bff::{Bff, Config};
    use authtool_example_leptos_ssr::server;

    tracing_subscriber::fmt().init();
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(address), Some(api)) = (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("usage: authtool-example-leptos-ssr CONFIG ADDRESS API".into());
    };
    let config = Config::load(file.as_ref())?;
    let bff = Bff::start(&config)?;
    let listener = tokio::net::TcpListener::bind(&address).await?;
    let app = server::app(&bff, config.session.mode, api)?;
    axum::serve(listener, app).with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) }).await?;
    // Refreshes and revocations that are under way are finished.
    bff.drain().await;
    Ok(())
}

/// The browser's half is the library.
#[cfg(target_family = "wasm")]
fn main() {}
