//! Whole journeys with real OpenID Providers, and with the recipes of the documentation: log in, ask, refresh, log out.

mod at_a_provider;
mod clients;
mod harness;
mod independent_provider;
mod journey;
mod keycloak;
mod leptos;
mod providers;
