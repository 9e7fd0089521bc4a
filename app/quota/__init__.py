"""Reservation: pictures a day, reserved by a click, charged by a picture, released by the end of the job."""
