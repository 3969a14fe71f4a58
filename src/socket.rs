//! What connects the proxy with its clients and providers: TCP. In this crate's own tests it may be a pipe in memory as well: hours
//! of virtual time pass over those in a second, which real sockets would not wait for.

#[cfg(not(test))]
pub(crate) use hyper_util::client::legacy::connect::HttpConnector as Connector;
#[cfg(not(test))]
pub(crate) use tokio::net::TcpStream as Socket;

#[cfg(test)]
pub(crate) mod piped;
#[cfg(test)]
pub(crate) use piped::{Connector, Socket};
