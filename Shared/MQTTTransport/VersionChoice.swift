/// Which version of MQTT to offer: 5 first, 3.1.1 where the broker does not take 5, and what worked
/// is remembered.
///
/// **Function.** Offer `current`. When the broker ends the handshake in a way that may be about the
/// version, ask `refused`; `true` says that another version is worth a try, at once. One attempt at
/// connecting tries each version at most once.
///
/// **Implementation.** A broker that says so (CONNACK 1, or 0x84) is believed at once. One that
/// merely closes (nats-server 2.9) might as well be restarting: that is believed at once about a
/// version that never worked, and only after `strikesMax` times in a row about one that did.
package struct VersionChoice {
    package enum Evidence {
        /// The broker named the version as its reason.
        case said
        /// The broker closed, or answered nonsense, before its CONNACK.
        case closed
    }

    package static let strikesMax = 3

    package private(set) var current = MQTTStatus.Version.v5
    private var proven: MQTTStatus.Version?
    private var strikes = 0
    private var tried: [MQTTStatus.Version] = []

    package init() {}

    /// A new attempt at connecting begins.
    package mutating func began() {
        tried = []
        if let proven, strikes < Self.strikesMax { current = proven }
    }

    package mutating func accepted() {
        proven = current
        strikes = 0
    }

    package mutating func refused(_ evidence: Evidence) -> Bool {
        tried.append(current)
        if evidence == .closed, proven == current {
            strikes += 1
            guard strikes >= Self.strikesMax else { return false }
        }
        current = current == .v5 ? .v311 : .v5
        return !tried.contains(current)
    }
}
