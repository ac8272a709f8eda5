//! `authtool-bff dev`: a server on a developer's own machine, from a few options instead of a file.

use std::path::Path;

use authtool_bff::{Config, config::StoreConfig};
use authtool_contract::endpoint;
use clap::Args;
use serde_json::{Map, Value, json};

use crate::{Fallible, say};

/// What a developer has to say, or may.
#[derive(Args)]
pub(crate) struct Options {
    /// Your provider's issuer, exactly as its metadata spells it.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// The client id that the provider registered.
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// The client's secret; leave it out for a public client.
    #[arg(long, value_name = "SECRET", env = "AUTHTOOL_CLIENT_SECRET", hide_env_values = true)]
    client_secret: Option<String>,
    /// The scopes to ask for.
    #[arg(long, value_name = "SCOPES")]
    scope: Option<String>,
    /// The app's origin as the browser sees it, if it is not this server's: a development server such as Vite's that
    /// forwards /bff to this one.
    #[arg(long, value_name = "URL")]
    app: Option<String>,
    /// The folder of a built app to serve.
    #[arg(long = "static", value_name = "FOLDER")]
    static_files: Option<String>,
    /// An API to forward with the access token, such as /api=http://127.0.0.1:4000. Can be repeated.
    #[arg(long, value_name = "PREFIX=URL")]
    api: Vec<String>,
    /// The port for browsers; gateways get the next one.
    #[arg(long)]
    port: Option<u16>,
    /// Who may have an access token: bff (no browser) or tokenExchange (also the app).
    #[arg(long)]
    mode: Option<String>,
}

/// The configuration, and a word on the terminal about what it is.
pub(crate) fn config(options: Options, file: Option<&Path>) -> Fallible<Config> {
    let mut settings = Map::new();
    let mut set = |pointer: &[&str], value: Option<Value>| {
        let Some(value) = value else { return };
        let mut place = &mut settings;
        if let [sections @ .., key] = pointer {
            for section in sections {
                let inner = place.entry(*section).or_insert_with(|| json!({}));
                let Some(object) = inner.as_object_mut() else { return };
                place = object;
            }
            place.insert((*key).to_owned(), value);
        }
    };
    let text = |value: Option<String>| value.map(Value::from);
    set(&["client", "issuer"], text(options.issuer));
    set(&["client", "clientId"], text(options.client_id));
    set(&["client", "scope"], text(options.scope));
    set(&["client", "credentials"], options.client_secret.map(|secret| json!({ "secret": secret })));
    set(&["session", "mode", "type"], text(options.mode));
    set(&["server", "port"], options.port.map(Value::from));
    set(&["server", "static", "root"], text(options.static_files));
    let routes: Vec<Value> = options.api.iter().map(|route| api(route)).collect::<Fallible<_>>()?;
    set(&["server", "proxy"], (!routes.is_empty()).then_some(Value::Array(routes)));

    let (settings, app) = (Value::Object(settings), options.app.as_deref());
    let config = match file {
        Some(file) => Config::for_development_with(file, settings, app)?,
        None => Config::for_development(settings, app).map_err(|problems| {
            format!(
                "{problems}\n\nFor a start, register {} at your provider and run\n  \
             authtool-bff dev --issuer https://login.example.com --client-id my-app --client-secret …",
                "http://localhost:3000/bff/oauth/callback"
            )
        })?,
    };
    let mut out = std::io::stderr();
    for line in introduction(&config, file) {
        say(&mut out, &line);
    }
    for client in &config.provider.clients {
        say(
            &mut out,
            &format!(
                "  log in at     {}{}/login",
                config.server.app.origin().ascii_serialization(),
                config.server.public_prefix()
            ),
        );
        say(
            &mut out,
            &format!(
                "  registered?   {} must be a redirect URI of {} at the provider",
                client.redirect_uri, client.client_id
            ),
        );
        if client.post_logout_redirect_uri.is_none() {
            let back = format!(
                "{}{}{}",
                config.server.app.origin().ascii_serialization(),
                config.server.public_prefix(),
                endpoint::LOGOUT_CALLBACK
            );
            say(
                &mut out,
                &format!(
                    "  logged out    ends at the provider; to come back to the app, register {back} there, and start \
                     this with AUTHTOOL__CLIENT__POSTLOGOUTREDIRECTURI={back}"
                ),
            );
        }
    }
    say(
        &mut out,
        &format!(
            "  what happened http://{}{} shows the last logins, step by step",
            config.server.internal,
            endpoint::DEVELOPMENT
        ),
    );
    Ok(config)
}

/// What is true of this run.
fn introduction(config: &Config, file: Option<&Path>) -> Vec<String> {
    let mut lines = vec![match file {
        None => "authtool-bff in development mode: the keys are made for this run.".to_owned(),
        Some(file) => format!(
            "authtool-bff in development mode, with {}: keys that it does not name are made for this run.",
            file.display()
        ),
    }];
    if matches!(config.store, StoreConfig::Memory) {
        lines.push("Sessions are kept in memory, and end with it.".to_owned());
    }
    if config.server.public.ip().is_loopback() {
        lines.push("Only this machine can connect.".to_owned());
    }
    lines.push("Not for production: `authtool-bff keys`, and a file.".to_owned());
    lines
}

fn api(route: &str) -> Fallible<Value> {
    match route.split_once('=') {
        Some((prefix, upstream)) => Ok(json!({ "prefix": prefix, "upstream": upstream })),
        None => {
            Err(format!("--api {route} has no `=`; write it like --api /api=http://127.0.0.1:4000").into())
        }
    }
}
