/// Whether the broker closes again and again what it has accepted.
///
/// It does that to two programs under one client id: each throws the other out (MQTT 3.1.1, section
/// 3.1.4). Only MQTT 5 gives a reason, so what is counted is how often it happens.
package struct RepeatedEnds<Instant: InstantProtocol> where Instant.Duration == Duration {
    /// So many ends, all of them within the window, are no accident.
    package static var countMin: Int { 3 }
    package static var window: Duration { .seconds(60) }

    /// The last ones, oldest first.
    private var ends: [Instant] = []

    package init() {}

    /// A connection that had been accepted was closed by the broker.
    package mutating func ended(now: Instant) {
        if ends.count == Self.countMin { ends.removeFirst() }
        ends.append(now)
    }

    package func areMany(now: Instant) -> Bool {
        ends.count { $0.duration(to: now) < Self.window } == Self.countMin
    }
}
