import Testing

/// Real daemons, a real broker, real sockets and files.
///
/// They run one after another: each has the machine to itself, so that a deadline means something.
@Suite(.serialized) enum IntegrationTests {}
