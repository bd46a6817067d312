"""The 80-character records of Nets: OCR giro, Direkte remittering, AvtaleGiro; all of it pure."""
