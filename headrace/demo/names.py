# ruff: noqa: RUF001 - names are written in the letters of those who bear them
"""First and last names by country, in the letters people there write them in."""

from __future__ import annotations

import unicodedata

__all__ = ["COUNTRIES", "COUNTRY_SHARES", "FIRST_NAMES", "LAST_NAMES", "mail_name"]

FIRST_NAMES: dict[str, tuple[str, ...]] = {
    "DE": ("Jürgen", "Anneliese", "Björn", "Käthe", "Emma", "Lukas", "Mia", "Jonas"),
    "FR": ("Zoé", "Noël", "Hélène", "François", "Chloé", "Théo", "Inès", "Gaël"),
    "GB": ("Olivia", "Harry", "Siân", "Niamh", "George", "Amelia", "Seán", "Isla"),
    "PL": ("Łukasz", "Małgorzata", "Wojciech", "Zofia", "Paweł", "Agnieszka", "Michał", "Kasia"),
    "SE": ("Åsa", "Göran", "Märta", "Björk", "Elin", "Lars", "Saga", "Nils"),
    "GR": ("Γιώργος", "Ελένη", "Νίκος", "Μαρία", "Δημήτρης", "Σοφία", "Κώστας", "Άννα"),
    "JP": ("さくら", "陽翔", "結衣", "健太", "美咲", "蓮", "葵", "大輔"),
    "BR": ("João", "Conceição", "Luís", "Antônia", "Thaís", "Caetano", "Inês", "Davi"),
    "TR": ("Ayşe", "Çağla", "İbrahim", "Gülşen", "Ömer", "Şule", "Emre", "Işık"),
    "IE": ("Aoife", "Ciarán", "Saoirse", "Pádraig", "Róisín", "Oisín", "Maeve", "Conor"),
}
LAST_NAMES: dict[str, tuple[str, ...]] = {
    "DE": ("Müller", "Groß", "Schäfer", "von der Heide", "König", "Weiß", "Bauer", "Zimmermann"),
    "FR": ("Lefèvre", "D’Aubigné", "Garçon", "Bélanger", "Moreau", "Saint-Exupère", "Dupont", "Noël"),
    "GB": ("O'Neill", "Smith-Jones", "Llewellyn", "Baker", "Wright", "Taylor", "McDonald", "Ng"),
    "PL": ("Wójcik", "Dąbrowska", "Kamiński", "Żak", "Szczęsny", "Nowak", "Źródło", "Ćwik"),
    "SE": ("Åkesson", "Öberg", "Lindström", "Sjögren", "Ek", "Nordström", "Berg", "Ängquist"),
    "GR": ("Παπαδόπουλος", "Οικονόμου", "Βλάχος", "Αγγέλου", "Καραγιάννης", "Νίκα", "Ζέρβας", "Ρήγας"),
    "JP": ("佐藤", "鈴木", "高橋", "田中", "渡辺", "伊藤", "山本", "𠮷田"),
    "BR": ("Gonçalves", "Araújo", "Simões", "da Conceição", "Brandão", "Silva", "Assunção", "Melo"),
    "TR": ("Yılmaz", "Öztürk", "Çelik", "Şahin", "Kılıç", "Doğan", "Aydın", "Güneş"),
    "IE": ("Ó Súilleabháin", "Ní Bhriain", "Murphy", "Byrne", "Walsh", "Nic Gearailt", "Doyle", "Fitzgerald"),
}
COUNTRIES: tuple[str, ...] = tuple(FIRST_NAMES)
COUNTRY_SHARES: tuple[float, ...] = (0.26, 0.18, 0.16, 0.10, 0.07, 0.05, 0.05, 0.05, 0.05, 0.03)

_NO_ACCENT = str.maketrans({"ł": "l", "ß": "ss", "ı": "i", "ø": "o"})


def mail_name(name: str) -> str:
    """A name as people put it into an e-mail address: lower-case ASCII, `kontakt` where none is left."""
    plain = unicodedata.normalize("NFKD", name.lower().translate(_NO_ACCENT))
    return "".join(letter for letter in plain if letter.isascii() and letter.isalpha()) or "kontakt"
