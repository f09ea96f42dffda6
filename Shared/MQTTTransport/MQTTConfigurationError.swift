/// What is wrong with a configuration, named. User names and passwords are never repeated.
package enum MQTTConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
    case url(String)
    case host(String)
    case clientID(String)
    case credentials(String)
    case tls(String)
    case keepAlive(String)
    case lastWill(String)
    case subscription(String)
    case limit(String)

    package var description: String {
        switch self {
        case .url(let sentence): "broker URL: \(sentence)"
        case .host(let sentence): "broker host: \(sentence)"
        case .clientID(let sentence): "MQTT client id: \(sentence)"
        case .credentials(let sentence): "MQTT credentials: \(sentence)"
        case .tls(let sentence): "MQTT TLS: \(sentence)"
        case .keepAlive(let sentence): "MQTT keepalive: \(sentence)"
        case .lastWill(let sentence): "MQTT last will: \(sentence)"
        case .subscription(let sentence): "MQTT subscription: \(sentence)"
        case .limit(let sentence): "MQTT limit: \(sentence)"
        }
    }
}
