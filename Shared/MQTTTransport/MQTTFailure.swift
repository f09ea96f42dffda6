/// Why a connection, or an attempt at one, ended. `description` is a sentence for people; it holds
/// hosts, topics and reasons, and never a user name or a password.
package enum MQTTFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// The name does not exist, or has no address.
    case nameNotKnown(host: String)
    /// The name could not be looked up now (`EAI_AGAIN` and its like).
    case nameNotResolved(host: String, cause: String)
    /// The system could not open the connection: refused, unreachable, timed out.
    case notReachable(host: String, port: UInt16, cause: String)
    /// The TLS handshake failed, or TLS broke off later.
    case tls(cause: String)
    /// The broker answered CONNECT with a refusal. `code` as in the CONNACK.
    case refused(code: Int, cause: String)
    /// The broker speaks neither MQTT 5 nor 3.1.1.
    case versionRefused
    /// The broker refused a subscription.
    case subscriptionRefused(filter: String)
    /// The broker cannot do something that we need.
    case brokerLacks(String)
    /// CONNACK and SUBACKs did not arrive in time.
    case handshakeTimedOut
    /// Nothing came back within the keepalive, not even for a ping.
    case silent
    /// The broker answers pings, and has acknowledged no publish for longer than the limit.
    case acknowledgementsStopped
    /// The broker ended the connection, with its reason where MQTT 5 gave one.
    case closedByBroker(cause: String?)
    /// The link broke: the system's words.
    case broken(cause: String)
    /// The broker closes what it has accepted again and again, most likely because another program
    /// has the same client id.
    case contested(clientID: String)
    /// A publish was answered with a reason for not taking it.
    case publishRejected(code: Int, cause: String)
    /// The MQTT library refused something; a defect of ours or of the library.
    case library(cause: String)
    /// We were asked to stop.
    case stopped

    package var description: String {
        switch self {
        case .nameNotKnown(let host): "name not known: \(host)"
        case .nameNotResolved(let host, let cause): "name could not be resolved: \(host): \(cause)"
        case .notReachable(let host, let port, let cause): "\(cause): \(host) port \(port)"
        case .tls(let cause): "TLS failed: \(cause)"
        case .refused(_, let cause): "the broker refuses the connection: \(cause)"
        case .versionRefused: "the broker accepts neither MQTT 5 nor MQTT 3.1.1"
        case .subscriptionRefused(let filter): "the broker refuses the subscription \(filter)"
        case .brokerLacks(let what): "the broker does not offer \(what)"
        case .handshakeTimedOut: "the broker did not complete the handshake in time"
        case .silent: "the broker has gone silent: no answer within the keepalive"
        case .acknowledgementsStopped: "the broker has stopped acknowledging what is published"
        case .closedByBroker(nil): "the broker closed the connection"
        case .closedByBroker(let cause?): "the broker closed the connection: \(cause)"
        case .broken(let cause): "the connection broke: \(cause)"
        case .contested(let clientID):
            "the broker closes the connection again and again: is another program connected as \(clientID)?"
        case .publishRejected(_, let cause): "the broker did not take the message: \(cause)"
        case .library(let cause): "the MQTT library failed: \(cause)"
        case .stopped: "stopped on request"
        }
    }
}
