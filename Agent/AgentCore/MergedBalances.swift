import LedgerCore
import SyncProtocol

/// What others have brought the accounts that this agent uses, as its hub last said.
///
/// **Overview.** A snapshot tells the merged sums of an account at a position of the hub's log, this
/// agent's own events through some place included. Those are taken out of it, and what is left are
/// the others'; a balance is theirs and all of the agent's own. So it has the agent's own writes at
/// once, and those of others as far as they are known, and it never goes back: a later position of
/// a hub's log has every event of an earlier one.
///
/// **Function.** `take` snapshots between two commits; write what `staged` has with the next one, and
/// say `persisted`. Only then is it shown: what a client has seen, a restart must not take back.
///
/// **Implementation.** What the hub counted of the agent's own events counts, not what the agent
/// thinks of them: the merged sums stand as they are, and only own events behind the included place
/// are added. Where the hub annuls one of them, as a duplicate of another stream's, its snapshot has
/// it annulled, and so has the balance.
///
/// **Invariants.** Within one hub's stream, the position of a balance only rises. A new hub stream is
/// a hub that was restored, and may know less: then a balance goes back, and its `AsOf` says so.
package struct MergedBalances: Sendable {
    /// Where a snapshot was taken.
    package struct AsOf: Hashable, Sendable {
        package let hub: StreamTag
        package let position: UInt64
        /// By the aggregator's clock.
        package let time: Timestamp

        package init(hub: StreamTag, position: UInt64, time: Timestamp) {
            self.hub = hub
            self.position = position
            self.time = time
        }
    }

    package struct Place: Hashable, Sendable {
        package let account: AccountAddress
        package let asset: Asset

        package init(account: AccountAddress, asset: Asset) {
            self.account = account
            self.asset = asset
        }
    }

    /// What others than this agent's stream brought an account in one asset, in its smallest unit.
    package struct Others: Hashable, Sendable {
        package let input: Int128
        package let output: Int128
        package let asOf: AsOf

        package init(input: Int128, output: Int128, asOf: AsOf) {
            self.input = input
            self.output = output
            self.asOf = asOf
        }
    }

    /// Why a snapshot was not taken.
    package enum Refusal: Hashable, Sendable {
        /// Too many own events lie behind what it includes: ask again when fewer do.
        case tooFarBehind
        /// It includes own events that there are none of: it cannot be right.
        case impossible
    }

    private var shown: [AccountAddress: [Asset: Others]] = [:]
    /// Not yet durable, and not shown.
    package private(set) var staged: [Place: Others] = [:]
    private var count = 0
    private let limits: AgentLimits

    /// - Parameter durable: what the store kept.
    package init(_ durable: [Place: Others] = [:], limits: AgentLimits) {
        self.limits = limits
        for (place, others) in durable { show(place, others) }
    }

    /// Takes a snapshot of the current session and hub.
    ///
    /// - Parameters:
    ///   - own: the sums of all the stream's own events, to the tail's head.
    ///   - dictionary: the names of the stream.
    /// - Returns: nil where it was taken, as far as it told anything new.
    package mutating func take(
        _ snapshot: AccountSnapshot, stream: StreamTag, own: Balances, tail: inout OwnTail,
        dictionary: StreamDictionary
    ) -> Refusal? {
        guard !snapshot.accounts.isEmpty else { return nil }
        guard let included = snapshot.included(stream), included <= tail.head else {
            return .impossible
        }
        guard included >= tail.floor else { return .tooFarBehind }
        guard tail.move(to: included, dictionary) else { return .impossible }
        let asOf = AsOf(
            hub: snapshot.hub, position: snapshot.position, time: snapshot.takenAt)
        for account in snapshot.accounts {
            let number = dictionary.existing(account.address)
            for balance in whole(account, own) {
                let place = Place(account: account.address, asset: balance.asset)
                guard isNews(place, asOf) else { continue }
                let now = own.sums(of: place.account, in: place.asset)
                var later = OwnTail.Sums()
                if let number, let asset = dictionary.existing(balance.asset) {
                    later = tail.sums(of: number, in: asset)
                }
                staged[place] = Others(
                    input: balance.input - (now.input - later.input),
                    output: balance.output - (now.output - later.output), asOf: asOf)
            }
        }
        return nil
    }

    /// With what the hub has nothing of: events that only a hub before had are lost there.
    private func whole(
        _ account: AccountSnapshot.Account, _ own: Balances
    ) -> [AccountSnapshot.Balance] {
        guard account.balances.count < AccountSnapshot.balancesMax else { return account.balances }
        var known = Set((own.cells(of: account.address) ?? []).map { own.asset($0.asset) })
        known.formUnion(shown[account.address, default: [:]].keys)
        known.subtract(account.balances.map(\.asset))
        guard !known.isEmpty else { return account.balances }
        return account.balances
            + known.sorted { $0.description < $1.description }.map {
                AccountSnapshot.Balance(asset: $0, input: 0, output: 0)
            }
    }

    private func isNews(_ place: Place, _ asOf: AsOf) -> Bool {
        guard let known = staged[place] ?? shown[place.account]?[place.asset] else {
            return count + staged.count < limits.mergedBalancesMax
        }
        return known.asOf.hub != asOf.hub || known.asOf.position < asOf.position
    }

    /// What was staged is durable, and is shown from now on.
    package mutating func persisted(_: Durable) {
        for (place, others) in staged { show(place, others) }
        staged.removeAll(keepingCapacity: true)
    }

    private mutating func show(_ place: Place, _ others: Others) {
        if shown[place.account, default: [:]].updateValue(others, forKey: place.asset) == nil {
            count += 1
        }
    }

    // MARK: Questions

    /// The account as this agent knows it; nil where neither it nor its hub has told of it.
    package func account(_ address: AccountAddress, own: Balances) -> AccountView? {
        let others = shown[address] ?? [:]
        let cells = own.cells(of: address) ?? []
        guard !cells.isEmpty || !others.isEmpty else { return nil }
        let assets = Set(cells.map { own.asset($0.asset) }).union(others.keys)
        let balances = assets.sorted { $0.description < $1.description }.map { asset in
            let local = own.sums(of: address, in: asset)
            let rest = others[asset]
            return AccountView.Balance(
                asset: asset, input: local.input + (rest?.input ?? 0),
                output: local.output + (rest?.output ?? 0), local: local.input - local.output,
                asOf: rest?.asOf)
        }
        return AccountView(address: address, balances: balances)
    }
}
